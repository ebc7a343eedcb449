"""Fills a development database with users who all have the same, printed password."""

import sys
import time
from pathlib import Path

from app.config import default_tuning, load_settings
from app.errors import ConfigError
from app.infra.postgres.database import Database
from app.infra.secrets.passwords import PasswordHasher
from app.local.development import running_environment
from app.users.store import UserStore

PASSWORD = "a long walk in the rain"  # noqa: S105 the well-known password of made-up people
BATCH = 5_000
_FIRST = ("Ada", "Grace", "Edsger", "Barbara", "Donald", "Radia", "Ken", "Frances", "Tim", "Margaret", "Linus", "Hedy")
_LAST = ("Byron", "Murray", "Bakker", "Jane", "Knuth", "Joy", "Lane", "Allen", "Lee", "Heafield", "Aho", "Kiesler")
_WORK = ("Backend engineer", "Data engineer", "Site reliability engineer", "Designer", "Product manager", "Recruiter")


def seed(users: int, state: Path) -> int:
    """Add what is missing up to `users` made-up users to the service that runs in `state`; returns the exit code.

    User n is user<n>@example.com. Raises LocalError where none runs, ConfigError where it is not for development.
    """
    settings = load_settings(running_environment(state))
    if not settings.development:
        raise ConfigError("only a database of ENVIRONMENT=development is filled with made-up users")
    tuning = default_tuning(settings)
    database = Database(settings.database_url, tuning.database, prepared=False)
    password_hash = PasswordHasher(settings.pepper.encode(), tuning.passwords).hash(PASSWORD)
    store, started, added = UserStore(database), time.monotonic(), 0
    for first in range(1, users + 1, BATCH):
        numbers = range(first, min(first + BATCH, users + 1))
        added += store.insert_made_up([_made_up(number) for number in numbers], password_hash)
        _show(numbers.stop - 1, users)
    database.close()
    print(f"\n{added} users added in {time.monotonic() - started:.1f} s; log in as user1@example.com with {PASSWORD!r}")
    return 0


def _made_up(number: int) -> tuple[str, str, str]:
    """(address, name, headline), the same for the same number."""
    name = f"{_FIRST[number % len(_FIRST)]} {_LAST[number // len(_FIRST) % len(_LAST)]}"
    return f"user{number}@example.com", name, _WORK[number % len(_WORK)]


def _show(done: int, total: int) -> None:
    if sys.stdout.isatty() or done == total:
        filled = 40 * done // max(total, 1)
        print(f"\r[{'#' * filled}{'.' * (40 - filled)}] {done}/{total}", end="", flush=True)
