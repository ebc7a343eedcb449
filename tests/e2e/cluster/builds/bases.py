"""Base images made by debootstrap, under the names of the public images in the Dockerfiles."""

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.cluster.builds.buildah import Buildah
from tests.e2e.cluster.builds.indexes import LENT, mirror
from tests.e2e.cluster.shell import run, say

# As in Docker's official slim images: documentation and translations are left out.
_DPKG = """\
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/man/*
path-exclude /usr/share/info/*
path-exclude /usr/share/locale/*
force-unsafe-io
"""
_APT = """\
Acquire::GzipIndexes "true";
Apt::AutoRemove::SuggestsImportant "false";
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true"; };
"""
_SCRIPTS = Path("/usr/share/debootstrap/scripts")


@dataclass(frozen=True)
class Base:
    """Debian's `suite` as the image `name`."""

    suite: str
    name: str

    @property
    def mark(self) -> str:
        """A second name of the image, with a hash of its inputs."""
        recipe = hashlib.sha256(repr((self.suite, _DPKG, _APT, LENT)).encode()).hexdigest()[:16]
        return f"localhost/debian-{self.suite}:{recipe}"


STABLE = Base("trixie", "debian:13-slim")
OLDSTABLE = Base("bookworm", "debian:12-slim")
TESTING = Base("forky", "debian:testing-slim")
BASES = {each.suite: each for each in (OLDSTABLE, STABLE, TESTING)}


def have(buildah: Buildah, base: Base) -> None:
    """Make the image unless it is there."""
    if buildah.has(base.mark) and buildah.has(f"localhost/{base.name}"):
        return
    say(f"making the base image {base.name} (Debian {base.suite})")
    with tempfile.TemporaryDirectory(prefix="jobfinder-base-", dir="/var/tmp") as folder:
        files = Path(folder, "root")
        _bootstrap(base.suite, files)
        archive = Path(folder, "root.tar")
        run("tar", "--create", "--numeric-owner", "--file", archive, "--directory", files, ".")
        buildah.import_files(archive, [base.mark, f"localhost/{base.name}"])


def debootstrap(suite: str, files: Path, packages: Sequence[str] = ()) -> None:
    """Unpack a minimal Debian into `files`; a suite without a debootstrap script is made like sid."""
    script = _SCRIPTS / (suite if (_SCRIPTS / suite).exists() else "sid")
    address = mirror()
    from_there: list[str | Path] = [address, script] if address else []
    more = [f"--include={','.join(packages)}"] if packages else []
    run("nice", "debootstrap", "--variant=minbase", *more, suite, files, *from_there)


def _bootstrap(suite: str, files: Path) -> None:
    debootstrap(suite, files)
    for name in ("var/lib/apt/lists", "var/cache/apt", "var/log", "usr/share/doc", "usr/share/man", "usr/share/locale"):
        _empty(files / name)
    for name in LENT:
        (files / name.lstrip("/")).parent.mkdir(exist_ok=True)
        (files / name.lstrip("/")).write_text("")
    (files / "etc/dpkg/dpkg.cfg.d/slim").write_text(_DPKG)
    (files / "etc/apt/apt.conf.d/slim").write_text(_APT)
    policy = files / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    for name in ("etc/hostname", "etc/resolv.conf", "etc/machine-id"):
        (files / name).unlink(missing_ok=True)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
