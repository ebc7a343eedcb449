"""Password hashes: which password matches, how much work a check takes, and the limit of the queue."""

import threading
import unicodedata
from collections.abc import Iterator
from queue import Queue

import bcrypt
import pytest

from app.config import Passwords
from app.errors import Unavailable
from app.infra.secrets.passwords import PasswordHasher, common_passwords

CHEAP = Passwords(bcrypt_cost=4, threads=2, queue=8)
PEPPER = b"p" * 32


@pytest.fixture
def hasher() -> Iterator[PasswordHasher]:
    made = PasswordHasher(PEPPER, CHEAP)
    yield made
    made.close()


@pytest.mark.parametrize(
    "password", ["correct horse", "ü" * 8, "密码密码密码密码", "a" * 256, "with\0nul in it", "\ud800lone surrogate"]
)
def test_the_right_password_and_no_other_is_accepted(hasher: PasswordHasher, password: str) -> None:
    password_hash = hasher.hash(password)
    assert hasher.verify(password, password_hash)
    assert not hasher.verify(f"{password}x", password_hash)
    assert not hasher.verify(password[:-1], password_hash)


def test_characters_beyond_the_72nd_byte_count(hasher: PasswordHasher) -> None:
    password_hash = hasher.hash("a" * 72 + "b")
    assert not hasher.verify("a" * 72 + "c", password_hash)
    assert not hasher.verify("a" * 72, password_hash)


def test_composed_and_decomposed_characters_are_the_same_password(hasher: PasswordHasher) -> None:
    composed = unicodedata.normalize("NFC", "Crème Brûlée")
    assert hasher.verify(unicodedata.normalize("NFD", composed), hasher.hash(composed))


def test_with_another_pepper_no_password_is_right(hasher: PasswordHasher) -> None:
    other = PasswordHasher(b"q" * 32, CHEAP)
    assert not other.verify("correct horse", hasher.hash("correct horse"))
    other.close()


def test_equal_passwords_have_different_hashes(hasher: PasswordHasher) -> None:
    assert hasher.hash("correct horse") != hasher.hash("correct horse")


@pytest.mark.parametrize("cost", [4, 5, 6, 7])
@pytest.mark.parametrize("greatest", [0, 4, 7])
@pytest.mark.parametrize("password", ["wrong horse", "correct horse"])
def test_a_check_takes_the_same_work_whatever_the_hash_costs(
    monkeypatch: pytest.MonkeyPatch, cost: int, greatest: int, password: str
) -> None:
    """Counted as bcrypt does, 2^cost rounds for a cost; None stands for an unknown account."""
    rounds: list[int] = []
    check = bcrypt.checkpw

    def watched(keyed: bytes, hashed: bytes) -> bool:
        assert len(keyed) == 44
        rounds.append(2 ** int(hashed[4:6]))
        return check(keyed, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", watched)
    hasher = PasswordHasher(PEPPER, Passwords(bcrypt_cost=cost, threads=2, queue=8))
    hashes = [
        bcrypt.hashpw(hasher._keyed("correct horse"), bcrypt.gensalt(each))
        for each in range(4, 1 + max(cost, greatest))
    ]
    for password_hash in (None, *hashes):
        rounds.clear()
        right = hasher.verify(password, password_hash, greatest)
        assert right == (password == "correct horse" and password_hash is not None)
        assert sum(rounds) == 2 ** max(cost, greatest)
    hasher.close()


def test_lower_cost_does_not_replace_costlier_hashes(hasher: PasswordHasher) -> None:
    costly = bcrypt.hashpw(b"any", bcrypt.gensalt(5))
    assert not hasher.needs_rehash(costly)


def test_higher_cost_applies_to_new_hashes_and_marks_old_ones_for_rehash(hasher: PasswordHasher) -> None:
    old = hasher.hash("correct horse")
    assert not hasher.needs_rehash(old)
    hasher.apply(Passwords(bcrypt_cost=5, threads=1, queue=8))
    assert hasher.needs_rehash(old)
    assert hasher.verify("correct horse", old)
    assert not hasher.needs_rehash(hasher.hash("correct horse"))


def test_full_queue_is_refused_with_retry_after(monkeypatch: pytest.MonkeyPatch) -> None:
    hasher = PasswordHasher(PEPPER, Passwords(bcrypt_cost=4, threads=1, queue=1))
    begun, may_end = threading.Semaphore(0), threading.Event()
    hash_password = bcrypt.hashpw

    def slow(password: bytes, salt: bytes) -> bytes:
        begun.release()
        assert may_end.wait(10)
        return hash_password(password, salt)

    monkeypatch.setattr(bcrypt, "hashpw", slow)
    hashes: Queue[bytes] = Queue()
    refusals: Queue[Unavailable] = Queue()

    def ask() -> None:
        try:
            hashes.put(hasher.hash("correct horse"))
        except Unavailable as error:
            refusals.put(error)

    for number in range(4):
        threading.Thread(target=ask, daemon=True).start()
        if number == 0:
            assert begun.acquire(timeout=10)
    refused = [refusals.get(timeout=10) for _ in range(2)]
    assert hashes.empty()
    may_end.set()
    assert len({hashes.get(timeout=10) for _ in range(2)}) == 2
    assert all(int(each.headers()["Retry-After"]) >= 1 for each in refused)
    hasher.close()


def test_common_passwords_are_normalized() -> None:
    common = common_passwords()
    assert len(common) > 1000
    assert {"password1", "12345678", "qwertyuiop", "iloveyou"} <= common
    for each in common:
        assert len(each) >= 8
        assert each == unicodedata.normalize("NFKC", each).casefold()
    assert "correct horse" not in common
