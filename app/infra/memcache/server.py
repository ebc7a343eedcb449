"""One memcached server: a pool of connections, and the memory that it is down."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from pymemcache.client.base import normalize_server_spec
from pymemcache.exceptions import MemcacheError, MemcacheUnexpectedCloseError

from app.errors import ConfigError
from app.infra.cooperative.pool import Pool, PoolTimeout
from app.infra.memcache.connection import Address, MemcacheConnection

log = logging.getLogger(__name__)

R = TypeVar("R")

CONNECTIONS = 32
ONCE, REPEATED = 1, 2
FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 0.05, 1.0


class CacheUnavailable(Exception):
    """The server did not answer in time; whether a write has happened is unknown."""


class Server:
    """Every method raises `CacheUnavailable`; while the server is known to be down, at once and without asking it."""

    def __init__(self, address: str, timeout_s: float) -> None:
        self.name = address
        self._timeout_s = timeout_s
        where = _parsed(address)
        self._pool = Pool(lambda: MemcacheConnection(where, timeout_s), CONNECTIONS)
        self._state = _State(address)

    def get(self, key: str) -> bytes | None:
        """The value, None for a miss."""
        return self._ask(REPEATED, MemcacheConnection.values, (key,))[0]

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """The values that are there, read in one exchange."""
        values = self._ask(REPEATED, MemcacheConnection.values, keys)
        return {key: value for key, value in zip(keys, values, strict=True) if value is not None}

    def set(self, key: str, value: bytes, ttl_s: int) -> None:
        """Return once the server has acknowledged."""
        self._ask(REPEATED, MemcacheConnection.set, key, value, ttl_s)

    def set_many(self, items: Mapping[str, tuple[bytes, int]]) -> None:
        """Store value and seconds of life of each key in one exchange; an item that is too large is left out."""
        self._ask(REPEATED, MemcacheConnection.store, items)

    def count(self, key: str, by: int, ttl_s: int) -> int:
        """The number at `key` after adding `by`; one that is not there begins at 0 and lives `ttl_s`."""
        return self._ask(ONCE, MemcacheConnection.count, key, by, ttl_s)

    def add(self, key: str, value: bytes, ttl_s: int) -> bool:
        """False where the key exists."""
        return self._ask(ONCE, MemcacheConnection.add, key, value, ttl_s)

    def incr(self, key: str, by: int = 1) -> int | None:
        """The new number, None where there is no such key."""
        return self._ask(ONCE, MemcacheConnection.incr, key, by)

    def decr(self, key: str, by: int) -> int | None:
        """The new number, at least 0; None where there is no such key."""
        return self._ask(ONCE, MemcacheConnection.decr, key, by)

    def delete(self, key: str) -> bool:
        """False where there was no such key."""
        return self._ask(REPEATED, MemcacheConnection.delete, key)

    def ping(self) -> float:
        """Milliseconds of the smallest exchange; asks also while the server is thought to be down."""
        started = time.monotonic()
        self._state.expect()
        self._ask(REPEATED, MemcacheConnection.ping)
        return (time.monotonic() - started) * 1000

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    def _ask(self, attempts: int, command: Callable[..., R], *args: object) -> R:
        if not self._state.admits():
            raise CacheUnavailable(self.name)
        try:
            result = self._attempt(attempts, command, args)
        except (MemcacheUnexpectedCloseError, OSError) as error:
            raise self._failed(error) from error
        except (MemcacheError, PoolTimeout) as error:
            self._state.leave_open()
            raise CacheUnavailable(self.name) from error
        except BaseException:
            self._state.leave_open()
            raise
        self._state.answered()
        return result

    def _failed(self, error: Exception) -> CacheUnavailable:
        self._pool.clear()
        self._state.failed(error)
        return CacheUnavailable(self.name)

    def _attempt(self, attempts: int, command: Callable[..., R], args: tuple[object, ...]) -> R:
        """Ask again when the connection was lost, as those to a server that was restarted are."""
        while True:
            attempts -= 1
            connection = self._pool.acquire(self._timeout_s)
            try:
                result = command(connection, *args)
            except (MemcacheUnexpectedCloseError, ConnectionError):
                self._pool.discard(connection)
                if not attempts:
                    raise
                self._pool.clear()
            except BaseException:
                self._pool.discard(connection)
                raise
            else:
                self._pool.release(connection)
                return result


def _parsed(address: str) -> Address:
    try:
        where: Address = normalize_server_spec(address)
    except ValueError as error:
        raise ConfigError(f"MEMCACHED_SERVERS: {address!r} is neither host:port nor unix:/path") from error
    return where


class _State:
    """Whether the server is thought to be down; then one caller at a time asks it, after a pause of at most 1 s."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._down = self._probing = False
        self._retry_at = 0.0
        self._backoff_s = FIRST_BACKOFF_S

    def admits(self) -> bool:
        if not self._down:
            return True
        with self._lock:
            if self._probing or time.monotonic() < self._retry_at:
                return False
            self._probing = True
            return True

    def expect(self) -> None:
        """The next caller may ask without a pause."""
        self._retry_at = 0.0

    def answered(self) -> None:
        if self._down:
            with self._lock:
                self._down = self._probing = False
                self._backoff_s = FIRST_BACKOFF_S
            log.info("memcached %s answers again", self._name)

    def failed(self, error: Exception) -> None:
        with self._lock:
            first, self._down, self._probing = not self._down, True, False
            now = time.monotonic()
            if now >= self._retry_at:
                self._retry_at = now + self._backoff_s
                self._backoff_s = min(2 * self._backoff_s, LONGEST_BACKOFF_S)
        if first:
            log.warning("memcached %s does not answer: %s", self._name, str(error) or type(error).__name__)

    def leave_open(self) -> None:
        """Nothing was learned about the server."""
        self._probing = False
