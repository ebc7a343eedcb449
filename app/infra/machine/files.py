"""Noticing that a file is another one than before."""

from pathlib import Path

FileIdentity = tuple[int, int, int, int] | None


def file_identity(path: Path) -> FileIdentity:
    """Differs between two versions, also when Kubernetes swaps the link that leads to the file; None without a file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
