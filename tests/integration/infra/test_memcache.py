"""The memcached client against real servers that answer, are paused, die and restart."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.errors import ConfigError
from app.infra.memcache.client import CacheUnavailable, Memcache, Server
from app.local.memcached import Memcached

TIMEOUT_MS = 250
TRAPS = [b"", b"\r\n", b"EN\r\n", b"MN\r\n", b"VA 3 \r\nabc\r\nMN\r\n", bytes(range(256))]

Servers = tuple[Memcached, Memcached]
Until = Callable[[Callable[[], object]], None]


@pytest.fixture
def servers(memcached: Servers) -> Iterator[Servers]:
    """Two running, empty servers."""
    for server in memcached:
        server.start()
        server.flush()
    yield memcached
    for server in memcached:
        server.resume()
        server.start()


@pytest.fixture
def cache(servers: Servers) -> Iterator[Memcache]:
    made = Memcache(tuple(server.address for server in servers), TIMEOUT_MS)
    yield made
    made.close()


@pytest.fixture
def primary(cache: Memcache) -> Server:
    return cache.primary


def available(server: Server) -> bool:
    try:
        server.get("anything")
    except CacheUnavailable:
        return False
    return True


def test_values_of_any_bytes_are_read_back(cache: Memcache) -> None:
    values = {f"key:{number}": value for number, value in enumerate(TRAPS)}
    assert all(cache.set(key, value, 60) for key, value in values.items())
    assert cache.get_many([*values, "missing"]) == values
    assert [cache.get(key) for key in values] == TRAPS
    assert cache.get("missing") is None


def test_many_keys_are_read_in_several_exchanges(cache: Memcache) -> None:
    values = {f"key:{number}": bytes([number % 256]) * (number % 700) for number in range(1500)}
    for key, value in values.items():
        assert cache.set(key, value, 60)
    asked = [name for key in values for name in (key, f"no:{key}")]
    assert cache.get_many(asked) == values
    assert cache.get_many([]) == {}


def test_value_of_almost_a_megabyte_is_stored(cache: Memcache) -> None:
    large = bytes(range(256)) * 3900
    assert cache.set("large", large, 60)
    assert cache.get("large") == large
    assert cache.get_many(["large", "missing"]) == {"large": large}


def test_a_value_that_the_server_refuses_does_not_make_it_unavailable(cache: Memcache, primary: Server) -> None:
    assert not cache.set("huge", b"x" * 3_000_000, 60)
    with pytest.raises(CacheUnavailable):
        primary.set("huge", b"x" * 3_000_000, 60)
    assert cache.set("small", b"x", 60)
    assert available(primary)


def test_keys_are_spread_and_another_server_moves_only_its_share(servers: Servers) -> None:
    first, second = servers
    one = Memcache((first.address,), TIMEOUT_MS)
    two = Memcache((first.address, second.address), TIMEOUT_MS)
    keys = [f"user:{number}" for number in range(400)]
    for key in keys:
        one.set(key, b"x", 60)
    stayed = len(two.get_many(keys))
    assert 120 < stayed < 280
    assert stayed == sum(two.get(key) is not None for key in keys)
    one.close()
    two.close()


def test_delete_of_a_missing_key_succeeds(cache: Memcache) -> None:
    cache.set("key", b"x", 60)
    assert cache.delete("key")
    assert cache.get("key") is None
    assert cache.delete("key")


def test_the_counter_of_server_0_never_loses_an_increment(primary: Server) -> None:
    assert primary.incr("ticket") is None
    assert primary.add("ticket", b"100", 60)
    assert not primary.add("ticket", b"7", 60)
    with ThreadPoolExecutor(8) as threads:
        numbers = list(threads.map(lambda _: primary.incr("ticket"), range(400)))
    assert sorted(number or 0 for number in numbers) == list(range(101, 501))
    assert primary.incr("ticket", 5) == 505
    assert primary.decr("ticket", 4) == 501
    assert primary.decr("ticket", 1000) == 0
    assert primary.decr("missing", 1) is None
    assert primary.incr("ticket", 505) == 505
    assert primary.get_many(["ticket", "missing"]) == {"ticket": b"505"}
    assert primary.delete("ticket")


def test_time_to_live_above_a_month_is_not_read_as_a_date(cache: Memcache) -> None:
    assert cache.set("key", b"x", 365 * 86_400)
    assert cache.get("key") == b"x"


def test_restarted_server_is_used_without_an_error(primary: Server, servers: Servers) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: primary.get("key"), range(50)))
    servers[0].restart()
    assert primary.get("key") is None
    primary.set("key", b"x", 60)
    assert primary.add("other", b"1", 60)
    assert primary.incr("other") == 2


def test_dead_server_is_a_miss_for_the_cache_and_raises_on_the_primary(
    cache: Memcache, primary: Server, servers: Servers
) -> None:
    keys = [f"user:{number}" for number in range(50)]
    for key in keys:
        cache.set(key, b"x", 60)
    servers[0].kill()
    found = cache.get_many(keys)
    assert 0 < len(found) < 50
    lost = next(key for key in keys if key not in found)
    assert (cache.get(lost), cache.set(lost, b"y", 60), cache.delete(lost)) == (None, False, False)
    calls: list[Callable[[], object]] = [
        lambda: primary.get("x"),
        lambda: primary.get_many(["x"]),
        lambda: primary.set("x", b"", 1),
        lambda: primary.add("x", b"", 1),
        lambda: primary.incr("x"),
        lambda: primary.delete("x"),
        primary.ping,
    ]
    for call in calls:
        with pytest.raises(CacheUnavailable):
            call()
    assert [ms is None for _, ms in cache.ping()] == [True, False]


def test_a_server_that_comes_back_is_found_again(primary: Server, servers: Servers, until: Until) -> None:
    servers[0].kill()
    assert not available(primary)
    servers[0].start()
    until(lambda: available(primary))
    assert primary.add("key", b"x", 60)


def test_ping_finds_a_restarted_server_at_once(cache: Memcache, primary: Server, servers: Servers) -> None:
    servers[0].kill()
    for _ in range(20):
        assert not available(primary)
    servers[0].start()
    assert all(ms is not None for _, ms in cache.ping())
    assert available(primary)


def test_paused_server_is_probed_by_one_caller_at_a_time(
    cache: Memcache, primary: Server, servers: Servers, until: Until
) -> None:
    assert available(primary)
    servers[0].pause()
    assert not available(primary)
    asking = threading.Semaphore(1)
    probes: list[int] = []
    attempt = primary._attempt

    def watched(*args: object) -> object:
        assert asking.acquire(blocking=False), "two callers asked at once"
        probes.append(1)
        try:
            return attempt(*args)  # type: ignore[arg-type]
        finally:
            asking.release()

    primary._attempt = watched  # type: ignore[method-assign,assignment]
    with ThreadPoolExecutor(16) as threads:
        while not probes:
            assert not any(threads.map(lambda _: available(primary), range(64)))
    del primary._attempt
    servers[0].resume()
    until(lambda: available(primary))


def test_without_servers_everything_is_a_miss() -> None:
    cache = Memcache((), TIMEOUT_MS)
    assert not cache.configured
    assert (cache.get("x"), cache.get_many(["x"]), cache.set("x", b"", 1), cache.delete("x")) == (
        None,
        {},
        False,
        False,
    )
    assert cache.ping() == []
    with pytest.raises(CacheUnavailable):
        cache.primary.get("x")


def test_a_name_that_cannot_be_resolved_is_a_miss() -> None:
    cache = Memcache(("nowhere.invalid:11211",), TIMEOUT_MS)
    assert cache.get("x") is None
    assert cache.ping() == [("nowhere.invalid:11211", None)]


def test_invalid_address_is_refused_at_start() -> None:
    with pytest.raises(ConfigError, match="MEMCACHED_SERVERS"):
        Memcache(("host:port",), TIMEOUT_MS)
