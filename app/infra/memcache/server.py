"""One memcached server: its connection pool and whether it is known to be down."""

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
    """The server did not answer in time; a write may or may not have been applied."""


class Server:
    """Every method may raise `CacheUnavailable`; at once, without a request, while the server is known to be down."""

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
        """The values found, read in one round trip."""
        values = self._ask(REPEATED, MemcacheConnection.values, keys)
        return {key: value for key, value in zip(keys, values, strict=True) if value is not None}

    def set(self, key: str, value: bytes, ttl_s: int) -> None:
        """Return once the server has acknowledged."""
        self._ask(REPEATED, MemcacheConnection.set, key, value, ttl_s)

    def set_many(self, items: Mapping[str, tuple[bytes, int]]) -> None:
        """Store each key's (value, TTL in seconds) in one round trip; items that are too large are skipped."""
        self._ask(REPEATED, MemcacheConnection.store, items)

    def set_all(self, items: Mapping[str, tuple[bytes, int]]) -> None:
        """The same, and return once the server has acknowledged every item."""
        self._ask(REPEATED, MemcacheConnection.store_all, items)

    def count(self, key: str, by: int, ttl_s: int) -> int:
        """The counter after adding `by`; a missing one starts at 0 with the TTL `ttl_s`."""
        return self._ask(ONCE, MemcacheConnection.count, key, by, ttl_s)

    def add(self, key: str, value: bytes, ttl_s: int) -> bool:
        """Store the value; False when the key exists already."""
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
        """Round trip of the smallest command in ms; also tries a server that is marked as down."""
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
        """Run the command; retry on a new connection when the old one was lost, as after a restart of the server."""
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
    """Whether the server is marked as down; if so, one caller at a time probes it, after a backoff of at most 1 s."""

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
        """Let the next caller probe without backoff."""
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
        """The attempt said nothing about the server: keep its state, and let the next caller probe."""
        self._probing = False
