"""A small file system for the data of one server, which can be filled; it needs root."""

import ctypes
import os
import subprocess
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

SIZE_MB = 400
_CLONE_NEWNS = 0x00020000
_CHUNK = bytes(1 << 20)


def enter_namespace() -> bool:
    """Give this process mounts of its own, which go with it; False without root. Call it before any thread starts."""
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() != 0 or libc.unshare(_CLONE_NEWNS) != 0:
        return False
    return subprocess.run(["mount", "--make-rprivate", "/"], check=False).returncode == 0


class Disk:
    """A tmpfs of `SIZE_MB` at `path`, or a plain folder if it cannot be mounted; then `limited` is False."""

    def __init__(self, path: Path) -> None:
        self.path, self.limited = path, False
        self._filler = path / "filler"
        path.mkdir()
        path.chmod(0o755)

    def __enter__(self) -> Self:
        options = ["-o", f"size={SIZE_MB}m,mode=0755"]
        if os.geteuid() == 0:
            done = subprocess.run(["mount", "-t", "tmpfs", *options, "chaos", self.path], check=False)
            self.limited = done.returncode == 0
        return self

    def fill(self) -> None:
        """Leave not a byte."""
        with suppress(OSError), self._filler.open("wb", buffering=0) as file:
            while file.write(_CHUNK):
                pass

    def free(self) -> None:
        self._filler.unlink(missing_ok=True)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.limited:
            subprocess.run(["umount", "--lazy", self.path], check=False)
