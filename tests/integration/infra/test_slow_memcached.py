"""A slow memcached costs a request few exchanges and a limited total time."""

from collections.abc import Callable, Iterator
from contextvars import Context
from typing import Any, cast

import falcon
import falcon.testing
import pytest

from app.coherence import Kind
from app.coherence.facts.shared import SharedFact, SharedFacts
from app.infra.memcache.client import CacheUnavailable, Memcache
from app.infra.memcache.optional import OPTIONAL_S, begin_request, end_requests
from app.local.memcached import Memcached
from app.web.middleware import Request, RequestMiddleware
from tests.relay import Relay

KIND: Kind[bytes] = Kind("text", bytes, bytes, bytes, lambda identifier, _: (f"text:{identifier}",))
EXCHANGE_S = 0.1


@pytest.fixture(autouse=True)
def request_ends() -> Iterator[None]:
    yield
    end_requests()


@pytest.fixture
def relay(memcached: tuple[Memcached, Memcached]) -> Iterator[Relay]:
    memcached[0].start()
    with Relay(memcached[0].address.removeprefix("unix:")) as made:
        yield made


@pytest.fixture
def cache(relay: Relay) -> Iterator[Memcache]:
    made = Memcache((f"127.0.0.1:{relay.port}",), 5000)
    made.ping()
    relay.exchanges = 0
    yield made
    made.close()


def test_batch_is_stored_and_read_in_one_exchange_each(cache: Memcache, relay: Relay) -> None:
    facts = SharedFacts(KIND, cache, lambda: 1000.0)
    relay.delay_s = 0.02
    facts.set_many({number: SharedFact(b"\r\n" * number, 7, 1060.0) for number in range(89)})
    assert relay.exchanges == 1
    found = facts.get_many(range(89))
    assert relay.exchanges == 2
    assert [fact.value for fact in found.values()] == [b"\r\n" * number for number in range(89)]


def test_too_large_value_is_skipped_and_the_rest_stored(cache: Memcache) -> None:
    cache.set_many({"a": (b"1", 60), "large": (b"x" * 3_000_000, 60), "b": (b"2", 60)})
    assert cache.get_many(["a", "large", "b"]) == {"a": b"1", "b": b"2"}


def test_entries_of_the_log_are_acknowledged_in_one_exchange(cache: Memcache, relay: Relay) -> None:
    cache.primary.set_all({f"e:{number}": (b"user:1", 60) for number in range(100)})
    assert relay.exchanges == 1
    assert len(cache.get_many([f"e:{number}" for number in range(100)])) == 100
    with pytest.raises(CacheUnavailable):
        cache.primary.set_all({"a": (b"1", 60), "large": (b"x" * 3_000_000, 60)})


def test_a_claim_is_one_exchange_and_counts_from_zero(cache: Memcache, relay: Relay) -> None:
    cache.delete("claim")
    relay.exchanges = 0
    assert [cache.count("claim", by, 60) for by in (30, 30, 1)] == [30, 60, 61]
    assert relay.exchanges == 3


class SlowServer:
    """Each command takes 100 ms on the test's clock."""

    def __init__(self) -> None:
        self.now, self.asked = 0.0, 0

    def __getattr__(self, name: str) -> Any:
        def ask(*_: object) -> Any:
            self.now, self.asked = self.now + EXCHANGE_S, self.asked + 1
            return {} if name == "get_many" else 1

        return ask


ALL: tuple[Callable[[Memcache], object], ...] = (
    lambda cache: cache.get("a"),
    lambda cache: cache.get_many(["a", "b"]),
    lambda cache: cache.set("a", b"", 1),
    lambda cache: cache.set_many({"a": (b"", 1)}),
    lambda cache: cache.count("a", 1, 1),
    lambda cache: cache.delete("a"),
)


@pytest.mark.parametrize("first", range(len(ALL)))
def test_request_skips_optional_commands_once_its_time_is_spent(first: int) -> None:
    server: Any = SlowServer()
    cache = Memcache(("127.0.0.1:1",), 250, lambda: server.now)
    cache._servers = [server]
    begin_request()
    for work in 3 * (*ALL[first:], *ALL[:first]):
        work(cache)
    assert server.asked == 3
    assert server.now < OPTIONAL_S + EXCHANGE_S
    begin_request()
    cache.get("a")
    assert server.asked == 4


def test_primary_is_used_although_the_time_is_spent(cache: Memcache) -> None:
    slow: Any = SlowServer()
    begin_request()
    bounded = Memcache(("127.0.0.1:1",), 250, lambda: slow.now)
    bounded._servers = [slow]
    for _ in range(5):
        bounded.get("a")
    cache.primary.set("log", b"entry", 60)
    assert cache.primary.get("log") == b"entry"
    assert cache.get("log") is None
    with pytest.raises(CacheUnavailable):
        Memcache((), 250).primary.get("log")


class Asking:
    """A public resource that asks memcached ten times."""

    public = True
    counted = False

    def __init__(self, cache: Memcache) -> None:
        self._cache = cache

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        for _ in range(10):
            self._cache.get("a")
        if req.params:
            raise falcon.HTTPBadRequest


def test_each_request_starts_with_the_full_time() -> None:
    server: Any = SlowServer()
    cache = Memcache(("127.0.0.1:1",), 250, lambda: server.now)
    cache._servers = [server]
    none = cast("Any", None)
    middleware = RequestMiddleware(none, none, none, none, "", none)
    app = falcon.App(middleware=[middleware], request_type=Request)
    app.add_route("/", Asking(cache))
    client = falcon.testing.TestClient(app)
    assert [client.simulate_get("/", params=params).status_code for params in ({}, {"fail": "1"}, {})] == [
        200,
        400,
        200,
    ]
    assert server.asked == 9


def test_thread_that_serves_no_requests_has_no_bound() -> None:
    server: Any = SlowServer()
    cache = Memcache(("127.0.0.1:1",), 250, lambda: server.now)
    cache._servers = [server]
    for _ in range(10):
        cache.get("a")
    assert server.asked == 10


def test_request_in_a_greenlet_has_a_bound_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The meinheld worker serves each request with fresh context variables."""
    monkeypatch.setattr("app.infra.memcache.optional.in_request_greenlet", lambda: True)
    server: Any = SlowServer()
    cache = Memcache(("127.0.0.1:1",), 250, lambda: server.now)
    cache._servers = [server]

    def serve() -> None:
        begin_request()
        for _ in range(10):
            cache.get("a")

    for _ in range(2):
        Context().run(serve)
    assert server.asked == 6
