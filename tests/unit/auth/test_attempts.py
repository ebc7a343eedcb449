"""Which passwords are refused as too easy to guess, and when an old password hash is replaced."""

import threading
from typing import cast

import pytest

from app.auth.attempts import AttemptRules, Counting, weakness
from app.auth.audit.store import AuditStore
from app.auth.guesses import Guesses, Refusals
from app.config import Passwords, Tuning
from app.errors import Unavailable
from app.infra.background.afterwards import Afterwards
from app.infra.memcache.client import Memcache
from app.infra.postgres.database import Database
from app.infra.secrets.passwords import PasswordHasher
from app.infra.tuning.live_tuning import LiveTuning
from app.web.limits import RateLimiter

PATIENCE_S = 10
EMAIL = "ada.lovelace@engines.example"


@pytest.mark.parametrize(
    "password", ["password1", "PassWord1", "\uff50assword1", "12345678", "aaaaaaaaaaaa", "ÀÀÀÀÀÀÀÀ"]
)
def test_well_known_password_is_refused_as_common(password: str) -> None:
    assert (weakness(password, EMAIL) or ("",))[0] == "common_password"


@pytest.mark.parametrize(
    "password", [EMAIL, EMAIL.upper(), "AdaLovelace", "ada-lovelace-1", "engines.example", "Engines!", "1engines23"]
)
def test_password_similar_to_the_email_is_refused(password: str) -> None:
    assert (weakness(password, EMAIL) or ("",))[0] == "resembles_email"


@pytest.mark.parametrize(
    "password", ["a long walk in the rain", "lovelace writes programs", "密码密码密码密马", "Ada12345x"]
)
def test_other_passwords_are_accepted(password: str) -> None:
    assert weakness(password, EMAIL) is None


def test_short_part_of_the_email_is_ignored() -> None:
    assert weakness("abcdefg-x9", "abc@x.y") is None


class Busy(PasswordHasher):
    """Raises Unavailable until `free` is set."""

    free = False

    def __init__(self) -> None:
        super().__init__(b"p" * 32, Passwords(bcrypt_cost=5, threads=1, queue=1))
        self.asked = threading.Semaphore(0)

    def hash(self, password: str) -> bytes:
        self.asked.release()
        if not self.free:
            raise Unavailable("too many passwords are being checked")
        return super().hash(password)


def test_old_hash_is_replaced_in_the_background_or_at_a_later_login() -> None:
    hasher, replaced, done = Busy(), list[bytes](), threading.Event()
    memcache, audit, afterwards = Memcache((), 100), AuditStore(cast("Database", None)), Afterwards()
    counting = Counting(RateLimiter(memcache), Guesses(memcache), Refusals(audit, afterwards))
    rules = AttemptRules(hasher, counting, LiveTuning(None, Tuning()), audit, afterwards)

    def replace(new: bytes) -> None:
        replaced.append(new)
        done.set()

    rules.strengthen("correct horse", b"$2b$04$old", replace)
    assert hasher.asked.acquire(timeout=PATIENCE_S)
    hasher.free = True
    rules.strengthen("correct horse", b"$2b$06$costlier", replace)
    rules.strengthen("correct horse", b"$2b$04$old", replace)
    assert done.wait(PATIENCE_S)
    assert len(replaced) == 1
    assert hasher.verify("correct horse", replaced[0])
    hasher.close()
