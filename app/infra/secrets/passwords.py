"""Password hashes: bcrypt over a keyed hash, computed in a few threads at low priority."""

import base64
import functools
import hashlib
import hmac
import secrets
import string
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import bcrypt

from app.config import Passwords
from app.errors import Unavailable
from app.infra.cooperative import Executor, QueueFull
from app.infra.machine.cores import usable_cores

R = TypeVar("R")

HASH_TIMEOUT_S = 20.0
RETRY_AFTER_S = 2

_COMMON = Path(__file__).with_name("common_passwords.txt")
_BCRYPT_ALPHABET = "./" + string.ascii_letters + string.digits
_SALT_END = 29  # "$2b$" + two digits + "$" + 22 characters of salt
_DIGEST_LENGTH = 31


class PasswordHasher:
    """bcrypt over the Base64 of the password's HMAC-SHA256, so that bcrypt's limit of 72 bytes and NUL do not matter.

    Passwords are compared in Unicode NFC. The HMAC's key comes from `pepper`: without it, stolen hashes cannot be
    attacked by guessing. Methods that hash raise Unavailable when the queue is full. `workers` processes share the
    cores.
    """

    def __init__(self, pepper: bytes, tuning: Passwords, workers: int = 1) -> None:
        self._key = hmac.digest(pepper, b"jobfinder passwords", hashlib.sha256)
        self._cost = tuning.bcrypt_cost
        self._cores = max(usable_cores() // workers, 1)
        self._executor = Executor(self._threads(tuning), tuning.queue)

    def apply(self, tuning: Passwords) -> None:
        """Apply new bounds, and a new cost for new hashes."""
        self._cost = tuning.bcrypt_cost
        self._executor.resize(self._threads(tuning), tuning.queue)

    def hash(self, password: str) -> bytes:
        """A new hash with a salt of its own, 60 bytes of ASCII."""
        return self._run(_hash, self._keyed(password), self._cost)

    def verify(self, password: str, password_hash: bytes | None, greatest_cost: int = 0) -> bool:
        """Whether the hash is of this password; False for None, which stands for an unknown account.

        The time taken is always that of the higher of `greatest_cost` (the greatest of any account) and the present
        cost, so that it reveals neither whether the account exists nor how old its hash is.
        """
        cost = max(self._cost, greatest_cost)
        known = password_hash if password_hash is not None else _dummy(cost)
        right = self._run(_check, self._keyed(password), known, cost)
        return right and password_hash is not None

    def needs_rehash(self, password_hash: bytes) -> bool:
        """Whether new hashes cost more than this one; a hash is never made cheaper."""
        return cost_of(password_hash) < self._cost

    def close(self) -> None:
        """End the threads."""
        self._executor.close()

    def _keyed(self, password: str) -> bytes:
        text = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
        return base64.b64encode(hmac.digest(self._key, text, hashlib.sha256))

    def _threads(self, tuning: Passwords) -> int:
        return tuning.threads or self._cores

    def _run(self, work: Callable[..., R], *arguments: bytes | int) -> R:
        try:
            return self._executor.run(work, *arguments, timeout_s=HASH_TIMEOUT_S)
        except (QueueFull, TimeoutError) as error:
            raise Unavailable("too many passwords are being checked", RETRY_AFTER_S) from error


@functools.cache
def common_passwords() -> frozenset[str]:
    """The most common passwords of 8 or more characters, in lower case."""
    return frozenset(_COMMON.read_text("utf-8").split())


def cost_of(password_hash: bytes) -> int:
    """The bcrypt cost of a hash, the binary logarithm of its rounds."""
    return int(password_hash[4:6])


def _check(keyed: bytes, password_hash: bytes, cost: int) -> bool:
    """Check with total work 2^cost: 2^c for the hash, then dummy checks of 2^c + 2^(c+1) + ... + 2^(cost-1)."""
    right = bcrypt.checkpw(keyed, password_hash)
    for missing in range(cost_of(password_hash), cost):
        bcrypt.checkpw(keyed, _dummy(missing))
    return right


def _hash(keyed: bytes, cost: int) -> bytes:
    return bcrypt.hashpw(keyed, bcrypt.gensalt(cost))


@functools.cache
def _dummy(cost: int) -> bytes:
    """A random hash of that cost that matches no known password; cheap to make."""
    digest = "".join(secrets.choice(_BCRYPT_ALPHABET) for _ in range(_DIGEST_LENGTH))
    return bcrypt.gensalt(cost)[:_SALT_END] + digest.encode()
