"""Runs `make run`, `make demo` and `make test` on a fresh system of another Debian.

`python -m tests.debian SUITE [pytest arguments]` makes a system of that suite (trixie is Debian 13) with nothing but
Python, gcc and make, copies this checkout into it and runs the README's commands there as root. It needs root,
debootstrap and unshare; the system is made anew each time, in the cache folder beside the test cluster's.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.e2e.cluster.builds import bases, indexes
from tests.e2e.cluster.config import ROOT, ClusterError, Folders, folders
from tests.e2e.cluster.shell import say

PACKAGES = ("python3", "gcc", "make", "ca-certificates")
INSIDE = Path(__file__).with_name("inside.sh")
PORT = "18113"
ENVIRONMENT = {
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "PORT": PORT,
    "SSL_CERT_FILE": indexes.AUTHORITIES,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.debian", description=__doc__)
    parser.add_argument("suite", choices=sorted(bases.BASES))
    chosen, arguments = parser.parse_known_args()
    if os.geteuid():
        sys.stderr.write("a chroot needs root\n")
        return 1
    root = folders().cache.parent / "jobfinder" / chosen.suite
    try:
        _make(folders(), chosen.suite, root)
    except ClusterError as e:
        sys.stderr.write(f"{e}\n")
        return 1
    _copy_checkout(root / "srv/jobfinder")
    say(f"make run, make demo and make test in {root}")
    enter = 'mount --rbind /dev "$0/dev" && exec chroot "$0" /bin/bash /srv/jobfinder/tests/debian/inside.sh "$@"'
    isolated = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c", enter)
    return subprocess.call(["nice", *isolated, str(root), *arguments], env=ENVIRONMENT)


def _make(cache: Folders, suite: str, root: Path) -> None:
    """A system of `suite` that reaches the package indexes as this machine does."""
    say(f"Debian {suite} with {', '.join(PACKAGES)} in {root}")
    if root.exists():
        shutil.rmtree(root)
    root.parent.mkdir(parents=True, exist_ok=True)
    bases.debootstrap(suite, root, PACKAGES)
    for volume in indexes.lend(cache, suite):
        source, target, _ = volume.split(":")
        (root / target.lstrip("/")).write_text(Path(source).read_text())
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    shutil.copyfile("/etc/resolv.conf", root / "etc/resolv.conf")


def _copy_checkout(target: Path) -> None:
    listed = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).exists():  # a tracked file may have been deleted
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


sys.exit(main())
