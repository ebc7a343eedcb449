"""Made-up users, who all have the same, printed password."""

from app.config import Passwords
from app.infra.postgres.database import Database
from app.infra.secrets.passwords import PasswordHasher
from app.local.seed.progress import show
from app.users.store import UserStore

PASSWORD = "a long walk in the rain"  # noqa: S105 the well-known password of made-up people
BATCH = 5_000
_FIRST = ("Ada", "Grace", "Edsger", "Barbara", "Donald", "Radia", "Ken", "Frances", "Tim", "Margaret", "Linus", "Hedy")
_LAST = ("Byron", "Murray", "Bakker", "Jane", "Knuth", "Joy", "Lane", "Allen", "Lee", "Heafield", "Aho", "Kiesler")
_WORK = ("Backend engineer", "Data engineer", "Site reliability engineer", "Designer", "Product manager", "Recruiter")


def add_users(database: Database, users: int, password_hash: bytes) -> int:
    """Add what is missing of user1@example.com to user<users>@example.com; returns how many were."""
    store, added = UserStore(database), 0
    for first in range(1, users + 1, BATCH):
        numbers = range(first, min(first + BATCH, users + 1))
        people = [(f"user{number}@example.com", *_made_up(number)) for number in numbers]
        added += store.insert_made_up(people, password_hash)
        show(numbers.stop - 1, users)
    return added


def add_recruiters(database: Database, emails: list[str], password_hash: bytes) -> None:
    """Add those of the accounts that are missing."""
    people = [(email, _made_up(number)[0], "Recruiter") for number, email in enumerate(emails)]
    UserStore(database).insert_made_up(people, password_hash)


def hashed_password(pepper: str, passwords: Passwords) -> bytes:
    """The hash that all made-up people share."""
    hasher = PasswordHasher(pepper.encode(), passwords)
    try:
        return hasher.hash(PASSWORD)
    finally:
        hasher.close()


def _made_up(number: int) -> tuple[str, str]:
    """(name, headline)."""
    name = f"{_FIRST[number % len(_FIRST)]} {_LAST[number // len(_FIRST) % len(_LAST)]}"
    return name, _WORK[number % len(_WORK)]
