"""Workers of two releases share one memcached: neither uses a value that the other wrote with other fields."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from app.auth.gate import SESSION_KIND
from app.coherence import Kind
from app.coherence.facts.shared import SharedFact, SharedFacts, version_of
from app.infra.memcache.client import Memcache
from app.local.memcached import Memcached
from app.users.service import USER_KIND

NOW = 1000.0


class Before(msgspec.Struct):
    """A user of the older release."""

    id: int
    name: str


class After(msgspec.Struct):
    """The same with a new field, for which the default may be wrong."""

    id: int
    name: str
    blocked: bool = False


class Times(msgspec.Struct, array_like=True):
    """A struct that is encoded without field names."""

    opened: float
    seen: float


class Exchanged(msgspec.Struct, array_like=True):
    """The same fields in another order."""

    seen: float
    opened: float


@pytest.fixture
def cache(memcached: tuple[Memcached, Memcached]) -> Iterator[Memcache]:
    memcached[0].start()
    made = Memcache((memcached[0].address,), 5000)
    yield made
    made.close()


def facts(shape: Any, cache: Memcache) -> SharedFacts[Any]:
    """The shared facts of a worker that knows this shape."""
    decode = msgspec.json.Decoder(shape).decode
    kind: Kind[Any] = Kind("person", shape, msgspec.json.encode, decode, lambda number, _: (f"person:{number}",))
    return SharedFacts(kind, cache, lambda: NOW)


def test_value_of_another_shape_is_a_miss(cache: Memcache) -> None:
    older, newer = facts(Before, cache), facts(After, cache)
    older.set_many({1: SharedFact(Before(1, "Ada"), 7, NOW + 60)})
    assert newer.get(1) is None
    assert newer.get_many([1]) == {}
    newer.set_many({1: SharedFact(After(1, "Ada", blocked=True), 8, NOW + 60)})
    assert older.get_many([1]) == {1: SharedFact(Before(1, "Ada"), 7, NOW + 60)}
    assert newer.get_many([1]) == {1: SharedFact(After(1, "Ada", blocked=True), 8, NOW + 60)}


def test_order_of_fields_belongs_to_the_shape(cache: Memcache) -> None:
    facts(Times, cache).set_many({1: SharedFact(Times(1.0, 2.0), 7, NOW + 60)})
    assert facts(Exchanged, cache).get(1) is None


def test_workers_of_one_release_share_values(cache: Memcache) -> None:
    facts(After, cache).set_many({1: SharedFact(After(1, "Ada"), 7, NOW + 60)})
    assert facts(After, cache).get(1) == SharedFact(After(1, "Ada"), 7, NOW + 60)


def test_kinds_of_the_service_name_the_type_that_they_encode() -> None:
    assert version_of(USER_KIND.shape) != version_of(SESSION_KIND.shape)
    for kind in (USER_KIND, SESSION_KIND):
        assert issubclass(kind.shape, msgspec.Struct)
