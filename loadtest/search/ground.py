"""The catalogue that is searched: made once, and kept for later runs until the code that makes it changes."""

import functools
import hashlib
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.config import Passwords, Tuning
from app.infra.postgres.database import Database
from app.infra.postgres.migrate import migrate
from app.jobs.upkeep.store import UpkeepStore
from app.local.postgres import DATABASE, Postgres
from app.local.seed.jobs import add_jobs
from app.local.seed.postings import Catalogue, Period
from app.local.seed.users import add_recruiters
from app.main import preparation
from loadtest.search.store import DROP_INDEX, FIND_INDEX, fill_usual, rows, run

PART = 100_000
DAYS = 100
OPEN_FOR = timedelta(days=3650)
SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "4GB"}
_HASH = b"$2b$%02d$" % Passwords().bcrypt_cost + b"x" * 53
_CHECKOUT = Path(__file__).resolve().parents[2]
_MAKERS = ("app/local/seed", "app/jobs/texts", "app/jobs/codes")


def folder_of(jobs: int) -> Path:
    """Where the data of a catalogue of this size are kept; they are made where they are missing."""
    folder = _kept(jobs)
    while make_more(folder, jobs):
        pass
    return folder


def make_more(folder: Path, jobs: int) -> bool:
    """Do the next step of making the catalogue; False when there is none. One that was interrupted begins anew."""
    begun, done = folder / "begun", folder / "done"
    steps = _steps(jobs)
    number = len(done.read_text().splitlines()) if done.exists() else 0
    if number == len(steps):
        return False
    if begun.exists():
        _remove(folder)
        folder.mkdir()
        number = 0
    begun.touch()
    with Postgres(folder / "postgres", durable=False, settings=SETTINGS) as postgres:
        print(f"[bench] catalogue of {jobs:,} postings, step {number + 1} of {len(steps)}", flush=True)
        steps[number](postgres, folder)
    with done.open("a") as lines:
        print(datetime.now(UTC), file=lines)
    begun.unlink()
    return True


def _kept(jobs: int) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jobfinder"
    folder = cache / f"search-{jobs}-{_digest()}"
    for other in cache.glob(f"search-{jobs}-*"):
        if other != folder:
            _remove(other)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _steps(jobs: int) -> list[Callable[[Postgres, Path], None]]:
    parts = -(-jobs // PART)
    adding = [functools.partial(_add, jobs=min(PART, jobs), part=part, parts=parts) for part in range(parts)]
    return [_begin, *adding, _index, _usual]


def _begin(postgres: Postgres, folder: Path) -> None:
    """The index of words is made when everything is there, which is faster than to add to it."""
    postgres.drop_database(DATABASE)
    url = postgres.create_database(DATABASE)
    migrate(url, preparation())
    ((definition,),) = rows(url, FIND_INDEX)
    (folder / "index.sql").write_text(definition)
    run(url, DROP_INDEX)


def _add(postgres: Postgres, folder: Path, jobs: int, part: int, parts: int) -> None:
    database = Database(postgres.direct_url, Tuning().database, prepared=False)
    owners = functools.partial(add_recruiters, database, password_hash=_HASH)
    now = datetime.fromtimestamp((folder / "index.sql").stat().st_mtime, UTC)
    since = now - timedelta(days=DAYS) * (1 - part / parts)
    period = Period(since, since + timedelta(days=DAYS) / parts, now + OPEN_FOR)
    add_jobs(postgres.direct_url, Catalogue(part + 1, jobs, period), owners)
    database.close()


def _index(postgres: Postgres, folder: Path) -> None:
    run(postgres.direct_url, (folder / "index.sql").read_text(), "VACUUM (ANALYZE)")
    database = Database(postgres.direct_url, Tuning().database, prepared=False)
    UpkeepStore(database).count()
    database.close()


def _usual(postgres: Postgres, folder: Path) -> None:
    fill_usual(postgres.direct_url)


def _remove(folder: Path) -> None:
    """With the data, which are elsewhere where the server's account could not enter the folder."""
    data = folder / "postgres"
    if data.is_symlink():
        shutil.rmtree(data.resolve(), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _digest() -> str:
    """Of what the catalogue is made by."""
    files = sorted(
        path for maker in _MAKERS for path in (_CHECKOUT / maker).rglob("*") if path.suffix in (".py", ".json")
    )
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]
