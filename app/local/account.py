"""The account for servers that refuse to run as root, and folders that it can enter."""

import fcntl
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_PREFIX = "jobfinder-sockets-"
_CANDIDATES = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """An unprivileged account of this machine."""

    name: str
    uid: int
    gid: int


@cache
def server_account() -> Account | None:
    """The account for servers; None when this process is not root and its own account can be used."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = next(known[name] for name in _CANDIDATES if name in known)
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


class PrivateFolder:
    """A new folder that only `account` (and root) can enter, with a path short enough for a Unix socket (107 bytes).

    It is locked while this process lives. Folders left behind by killed processes are removed here.
    """

    def __init__(self, account: Account | None) -> None:
        home = Path("/run" if account and os.access("/run", os.W_OK) else tempfile.gettempdir())
        for each in home.glob(f"{_PREFIX}*"):
            _remove_unless_held(each)
        self.path, self._lock = _locked_folder(home)
        hand_over(self.path, account)

    def remove(self) -> None:
        if self._lock >= 0:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._lock)
            self._lock = -1


def _locked_folder(home: Path) -> tuple[Path, int]:
    """A new folder and the descriptor of its lock; retries if another process removes it before it is locked."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=home))
        with suppress(FileNotFoundError):
            lock = os.open(path, os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if path.exists():
                return path, lock
            os.close(lock)


def _remove_unless_held(folder: Path) -> None:
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
    except OSError:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        pass
    finally:
        os.close(lock)


def hand_over(folder: Path, account: Account | None) -> None:
    """Make `account` the owner of `folder` and of everything in it."""
    if account is None or folder.stat().st_uid == account.uid:
        return
    for each in (*folder.rglob("*"), folder):
        os.chown(each, account.uid, account.gid, follow_symlinks=False)


def open_to_all(folder: Path) -> bool:
    """Whether every account can enter `folder` (a checkout below /root usually is not)."""
    return all(each.stat().st_mode & stat.S_IXOTH for each in (folder, *folder.parents))


def run_as(account: Account | None, command: Sequence[str | Path]) -> "subprocess.CompletedProcess[str]":
    """Run a short command to its end; one that cannot be executed gives 126, as a shell does."""
    try:
        return subprocess.run(
            [str(each) for each in command],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    except OSError as error:
        return subprocess.CompletedProcess(command, 126, "", str(error))
