"""The shared cache over several memcached servers; an unavailable server counts as a miss."""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from app.infra.memcache.optional import optionally
from app.infra.memcache.server import CacheUnavailable, Server

R = TypeVar("R")

__all__ = ["CacheUnavailable", "Memcache", "Server"]


class Memcache:
    """`servers` are `host:port` or `unix:/path`; all processes must list them in the same order.

    Keys are ASCII without blanks, below 250 bytes. No method raises: when a server does not answer, a read is a miss
    and a write is lost. The time that one request spends here is bounded (`optional.py`). Callers that must know
    whether a command succeeded use `primary`.
    """

    def __init__(
        self, servers: tuple[str, ...], timeout_ms: int, clock: Callable[[], float] = time.monotonic
    ) -> None:  # fmt: skip
        self._servers = [Server(address, timeout_ms / 1000) for address in servers]
        self._clock = clock

    @property
    def configured(self) -> bool:
        """Whether any server is configured."""
        return bool(self._servers)

    @property
    def primary(self) -> Server:
        """Server 0, whose methods raise `CacheUnavailable`; raises it also when no server is configured."""
        if not self._servers:
            raise CacheUnavailable("no memcached server is configured")
        return self._servers[0]

    def get(self, key: str) -> bytes | None:
        """The value, or None."""
        return self._try(key, lambda server: server.get(key), None)

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """The values found, with one round trip to each server concerned."""
        found: dict[str, bytes] = {}
        nothing: dict[str, bytes] = {}
        for server, its_keys in self._by_server(keys).items():
            found |= self._ask(server, partial(_get_many, its_keys), nothing)
        return found

    def set(self, key: str, value: bytes, ttl_s: int) -> bool:
        """Whether the value was stored."""

        def store(server: Server) -> bool:
            server.set(key, value, ttl_s)
            return True

        return self._try(key, store, otherwise=False)

    def set_many(self, items: Mapping[str, tuple[bytes, int]]) -> None:
        """Store each key's (value, TTL in seconds), with one round trip to each server concerned."""
        for server, its_keys in self._by_server(list(items)).items():
            its_items = {key: items[key] for key in its_keys}
            self._ask(server, partial(_set_many, its_items), None)

    def count(self, key: str, by: int, ttl_s: int) -> int | None:
        """The counter on server 0 after adding `by`; a missing one starts at 0. None when server 0 does not answer."""
        if not self._servers:
            return None
        return self._ask(self._servers[0], lambda server: server.count(key, by, ttl_s), None)

    def delete(self, key: str) -> bool:
        """Whether the server confirms that the key is gone."""

        def delete(server: Server) -> bool:
            server.delete(key)
            return True

        return self._try(key, delete, otherwise=False)

    def ping(self) -> list[tuple[str, float | None]]:
        """(name, round trip in ms) of each server; None for one that does not answer."""
        return [(server.name, _latency(server)) for server in self._servers]

    def close(self) -> None:
        """Close every connection."""
        for server in self._servers:
            server.close()

    def _try(self, key: str, command: Callable[[Server], R], otherwise: R) -> R:
        return self._ask(self._server_of(key), command, otherwise) if self._servers else otherwise

    def _ask(self, server: Server, command: Callable[[Server], R], otherwise: R) -> R:
        def ask() -> R:
            try:
                return command(server)
            except CacheUnavailable:
                return otherwise

        return optionally(ask, otherwise, self._clock)

    def _by_server(self, keys: Sequence[str]) -> dict[Server, list[str]]:
        if len(self._servers) == 1:
            return {self._servers[0]: list(keys)}
        groups: dict[Server, list[str]] = {}
        if self._servers:
            for key in keys:
                groups.setdefault(self._server_of(key), []).append(key)
        return groups

    def _server_of(self, key: str) -> Server:
        return self._servers[_place(key, len(self._servers))]


def _get_many(keys: Sequence[str], server: Server) -> dict[str, bytes]:
    return server.get_many(keys)


def _set_many(items: Mapping[str, tuple[bytes, int]], server: Server) -> None:
    server.set_many(items)


def _place(key: str, servers: int) -> int:
    """The number of the key's server; adding a server moves only its share of the keys (Lamping and Veach, 2014)."""
    if servers == 1:
        return 0
    state = int.from_bytes(hashlib.blake2b(key.encode("ascii"), digest_size=8).digest())
    place, following = 0, 0
    while following < servers:
        place = following
        state = (state * 2_862_933_555_777_941_757 + 1) & 0xFFFF_FFFF_FFFF_FFFF
        following = int((place + 1) * (1 << 31) / ((state >> 33) + 1))
    return place


def _latency(server: Server) -> float | None:
    try:
        return server.ping()
    except CacheUnavailable:
        return None
