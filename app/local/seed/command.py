"""`python -m app seed`: made-up users and postings for the running service."""

import functools
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType

from app.config import Settings, default_tuning, load_settings
from app.errors import ConfigError
from app.infra.metrics.counters import Counters
from app.infra.postgres.database import Database
from app.jobs.upkeep.store import UpkeepStore
from app.local.development import running_environment
from app.local.process import LocalError
from app.local.seed.jobs import add_jobs
from app.local.seed.postings import Catalogue, Period
from app.local.seed.users import PASSWORD, add_recruiters, add_users, hashed_password
from app.main import Parts

DAYS = 45
"""Postings are as old as this at most."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many users and postings; `seed` is the number that postings are drawn by."""

    users: int
    jobs: int
    seed: int
    in_production: bool


def seed(wanted: Wanted, state: Path) -> int:
    """Add users and postings to the service that runs in `state`, else to that of the environment.

    Returns the exit code. Raises LocalError where none runs, ConfigError where it is not for development or nothing
    would be added.
    """
    if wanted.users <= 0 and wanted.jobs <= 0:
        raise ConfigError("say how many: --users N, --jobs N, or both")
    settings = _settings(state)
    if not (settings.development or wanted.in_production):
        raise ConfigError(
            "this is not a service of ENVIRONMENT=development; --in-production fills it with made-up data all the same"
        )
    password_hash = hashed_password(settings.pepper, default_tuning(settings).passwords)
    if wanted.users > 0:
        _users(settings, wanted.users, password_hash)
    if wanted.jobs > 0:
        _jobs(settings, wanted, password_hash)
    return 0


def _settings(state: Path) -> Settings:
    try:
        return load_settings(running_environment(state))
    except LocalError as nowhere:
        try:
            return load_settings()
        except ConfigError:
            raise nowhere from None


def _users(settings: Settings, users: int, password_hash: bytes) -> None:
    database = Database(settings.database_url, default_tuning(settings).database, prepared=False)
    started = time.monotonic()
    try:
        added = add_users(database, users, password_hash)
    finally:
        database.close()
    print(f"{added:,} users added in {time.monotonic() - started:.1f} s; log in as user1@example.com with {PASSWORD!r}")


def _jobs(settings: Settings, wanted: Wanted, password_hash: bytes) -> None:
    """Searches of running workers find the new postings when this has returned."""
    started, now = time.monotonic(), datetime.now(UTC)
    catalogue = Catalogue(wanted.seed, wanted.jobs, Period(now - timedelta(days=DAYS), now, now))
    parts = Parts(settings, Counters.create([], slots=1))
    try:
        parts.confirm()
        owners = functools.partial(add_recruiters, parts.database, password_hash=password_hash)
        with ended_in_order():
            added = add_jobs(settings.database_url, catalogue, owners)
        UpkeepStore(parts.database).count()
        parts.coherence.final(added.keys, added.xid, security=True)
    finally:
        parts.close()
    print(
        f"{wanted.jobs:,} postings of {added.companies:,} companies added in {time.monotonic() - started:.1f} s; "
        f"log in as {added.recruiter} with {PASSWORD!r}"
    )


@contextmanager
def ended_in_order() -> Iterator[None]:
    """SIGTERM raises SystemExit meanwhile, so that what is altered for the time being is restored first."""

    def end(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
