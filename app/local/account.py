"""Who the servers that refuse to run as root run as, and the folders which that account can enter."""

import os
import pwd
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_CANDIDATES = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """An unprivileged account of this machine."""

    name: str
    uid: int
    gid: int


@cache
def server_account() -> Account | None:
    """None where this process is not root: its own account does."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = next(known[name] for name in _CANDIDATES if name in known)
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def private_folder(account: Account | None) -> Path:
    """A new folder that only `account` (and root) can enter, with a path short enough for a Unix socket (107 bytes)."""
    home = "/run" if account and os.access("/run", os.W_OK) else tempfile.gettempdir()
    folder = Path(tempfile.mkdtemp(prefix="jobfinder-", dir=home))
    hand_over(folder, account)
    return folder


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
