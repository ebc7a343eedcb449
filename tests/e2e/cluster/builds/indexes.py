"""Mounts this machine's settings for Debian's and Python's package indexes into builds; no image keeps them."""

import re
import sys
from pathlib import Path

from tests.e2e.cluster.config import ClusterError, Folders, certificate_authorities
from tests.e2e.cluster.shell import run

# Where a build has the mounted settings; base images have empty files there.
APT_SOURCES, APT_SETTINGS = "/etc/apt/sources.list", "/etc/apt/apt.conf"
PIP_SETTINGS, AUTHORITIES = "/etc/pip.conf", "/etc/ssl/build-authorities.pem"
LENT = (APT_SOURCES, APT_SETTINGS, PIP_SETTINGS, AUTHORITIES)

_PIP_OPTIONS = ("index-url", "extra-index-url", "trusted-host", "proxy", "default-timeout", "timeout", "retries")


def mirror() -> str | None:
    """URL of this machine's Debian mirror; None if unknown, then debootstrap uses its default."""
    return next((uri for uri, suite in _debian_targets() if "-" not in suite), None)


def lend(folders: Folders, suite: str) -> list[str]:
    """Volumes for a build on Debian's `suite`: sources, apt's and pip's settings, certificate authorities."""
    files = {
        APT_SOURCES: _sources(suite),
        APT_SETTINGS: _apt_settings(),
        PIP_SETTINGS: _pip_settings(),
        AUTHORITIES: certificate_authorities().read_text(),
    }
    volumes = []
    for name, content in files.items():
        path = folders.cache / "lent" / suite / Path(name).name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        volumes.append(f"{path}:{name}:ro")
    return volumes


def _debian_targets() -> list[tuple[str, str]]:
    """(address, suite) of the main components that this machine's apt knows."""
    shown = "$(REPO_URI) $(CODENAME) $(COMPONENT) $(ORIGIN)"
    try:
        lines = run("apt-get", "indextargets", "--format", shown, "Created-By: Packages").splitlines()
    except ClusterError:
        return []
    fields = [line.split() for line in lines]
    return [(each[0], each[1]) for each in fields if len(each) == 4 and each[2] == "main" and each[3] == "Debian"]


def _sources(suite: str) -> str:
    """sources.list for the suite and its security updates, from this machine's mirrors."""
    archive = mirror() or _debootstrap_mirror()
    security = next((uri for uri, name in _debian_targets() if name.endswith("-security")), None)
    lines = [f"deb {archive} {suite} main"]
    if security and suite not in ("forky", "sid"):
        lines += [f"deb {security} {suite}-security main", f"deb {archive} {suite}-updates main"]
    return "\n".join([*lines, ""])


def _debootstrap_mirror() -> str:
    found = re.search(r"^DEF_MIRROR=\"?([^\"\s]+)", Path("/usr/sbin/debootstrap").read_text(), re.MULTILINE)
    if found is None:
        raise ClusterError("no Debian mirror is known: neither apt nor debootstrap names one")
    return found[1]


def _apt_settings() -> str:
    """This machine's proxy and retry settings of apt; translations are off to save space."""
    chosen = re.compile(r"Acquire::(https?|ftp)::\S+ |Acquire::Check-|Acquire::Retries")
    taken = [line for line in run("apt-config", "dump").splitlines() if chosen.match(line)]
    return "\n".join([*taken, 'Acquire::Languages "none";', f'Acquire::https::CAInfo "{AUTHORITIES}";', ""])


def _pip_settings() -> str:
    """pip's settings for the index; settings that are paths on this machine are left out."""
    listed = run(sys.executable, "-m", "pip", "config", "list").splitlines()
    pairs = re.findall(r"^\S+?\.([\w-]+)='(.*)'$", "\n".join(listed), re.MULTILINE)
    chosen = {name.replace("default-timeout", "timeout"): value for name, value in pairs if name in _PIP_OPTIONS}
    lines = [f"{name} = {value}" for name, value in {**chosen, "cert": AUTHORITIES}.items()]
    return "\n".join(["[global]", *lines, ""])
