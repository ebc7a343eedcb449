"""Facts in memcached: value, position and expiry are stored in one item, so that they always belong together."""

import hashlib
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from app.coherence.log.history import Position
from app.infra.memcache.connection import LONGEST_TTL_S

V = TypeVar("V")

_HEAD = struct.Struct("!QQ")
_ENDED = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Kind(Generic[V]):
    """How values of one sort are kept; the package's docstring says what each callable gives.

    `shape` is the type that `encode` writes. Workers with another shape (an older or newer release, during a rollout)
    read and write other keys, so that a value without a new field is a miss and never a wrong answer. Values whose
    meaning changes while their shape stays need another `name`.

    `size` estimates the memory of a value and its place in a worker's cache in bytes, with a few steps, for values of
    very different sizes: the cache then keeps no more bytes than `FACT_KIB` of its name counts for its capacity.
    """

    name: str
    shape: Any
    encode: Callable[[V], bytes]
    decode: Callable[[bytes], V]
    keys: Callable[[int, V], tuple[str, ...]]
    expires_at: Callable[[V], float] | None = None
    size: Callable[[V], int] | None = None


@dataclass(frozen=True, slots=True)
class SharedFact(Generic[V]):
    """`value` is None for what has ended for ever; `expires_at` is in seconds since 1970."""

    value: V | None
    position: Position
    expires_at: float


class Store(Protocol):
    """The methods of `Memcache` that are used here: none raises, an unavailable server is a miss."""

    def get(self, key: str) -> bytes | None: ...
    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]: ...
    def set_many(self, items: Mapping[str, tuple[bytes, int]]) -> object: ...


class SharedFacts(Generic[V]):
    """Reads and writes facts in memcached. A fact that was read is not proven yet: the caller applies the rule."""

    def __init__(self, kind: Kind[V], store: Store, wall_s: Callable[[], float]) -> None:
        self._kind, self._store, self._wall_s = kind, store, wall_s
        self._prefix = f"fact:{kind.name}.{version_of(kind.shape)}:"

    def get(self, identifier: int) -> SharedFact[V] | None:
        """The fact; None when there is none, it has expired or it cannot be read."""
        data = self._store.get(self._name(identifier))
        return None if data is None else self._unpack(data)

    def get_many(self, identifiers: Sequence[int]) -> dict[int, SharedFact[V]]:
        """Those that are there, from one pipelined read."""
        names = {self._name(identifier): identifier for identifier in identifiers}
        unpacked = ((names[name], self._unpack(data)) for name, data in self._store.get_many(list(names)).items())
        return {identifier: fact for identifier, fact in unpacked if fact is not None}

    def set_many(self, facts: Mapping[int, SharedFact[V]]) -> None:
        """Store facts that have a value, with one pipelined write; for an end use `end`."""
        if items := self.items(facts):
            self._store.set_many(items)

    def items(self, facts: Mapping[int, SharedFact[V]]) -> dict[str, tuple[bytes, int]]:
        """What `set_many` stores: (value, TTL in seconds) by key."""
        now_s = self._wall_s()
        items: dict[str, tuple[bytes, int]] = {}
        for identifier, fact in facts.items():
            ttl_s = int(fact.expires_at - now_s)
            if fact.value is not None and ttl_s > 0:
                data = _HEAD.pack(fact.position, int(fact.expires_at)) + self._kind.encode(fact.value)
                items[self._name(identifier)] = (data, min(ttl_s, LONGEST_TTL_S))
        return items

    def end(self, identifier: int, ttl_s: int) -> None:
        """Store for `ttl_s` that this identifier has ended for ever, replacing any fact about it."""
        data = _HEAD.pack(_ENDED, int(self._wall_s()) + ttl_s)
        self._store.set_many({self._name(identifier): (data, min(ttl_s, LONGEST_TTL_S))})

    def _name(self, identifier: int) -> str:
        return f"{self._prefix}{identifier}"

    def _unpack(self, data: bytes) -> SharedFact[V] | None:
        try:
            position, expires_at = _HEAD.unpack_from(data)
            value = None if position == _ENDED else self._kind.decode(data[_HEAD.size :])
        except (struct.error, ValueError, msgspec.DecodeError):
            return None
        return SharedFact(value, position, expires_at) if expires_at > self._wall_s() else None


@cache
def version_of(shape: Any) -> str:
    """A hash of `shape` that changes with its fields, their order, names and types, and those of nested types."""
    fields = getattr(shape, "__struct_fields__", ())  # the schema of an array names none
    described = msgspec.json.encode((fields, msgspec.json.schema(shape)), order="sorted")
    return hashlib.sha256(described).hexdigest()[:12]
