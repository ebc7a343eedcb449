"""Detecting that a file has been replaced or changed."""

from pathlib import Path

FileIdentity = tuple[int, int, int, int] | None


def file_identity(path: Path) -> FileIdentity:
    """A value that changes with the file, also when Kubernetes swaps the symlink to it; None when there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
