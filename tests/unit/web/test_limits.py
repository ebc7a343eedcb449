"""Rate limits with a memcached that counts, fails or is not configured."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest

from app.errors import RateLimited
from app.infra.memcache.client import Memcache
from app.web.limits import IDLE_WINDOWS, LEFT, WINDOW_SECONDS, Key, RateLimiter

KEY: Key = ("user", 1)


class CountingMemcache:
    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.exchanges = 0
        self.down = False

    def count(self, key: str, by: int, ttl_s: int) -> int | None:
        self.exchanges += 1
        if self.down:
            return None
        self.counts[key] = self.counts.get(key, 0) + by
        return self.counts[key]


class Clock:
    now = 6000.0

    def __call__(self) -> float:
        return self.now


def limiter(memcache: CountingMemcache, clock: Clock) -> RateLimiter:
    return RateLimiter(cast("Memcache", memcache), clock)


def test_a_request_may_cost_as_much_as_several() -> None:
    one = limiter(CountingMemcache(), Clock())
    assert [one.take("policy", KEY, 100, 30) is not None for _ in range(3)] == [True] * 3
    with pytest.raises(RateLimited):
        one.take("policy", KEY, 100, 30)
    assert passed([one], 100, 20) == 10


def passed(limiters: list[RateLimiter], limit: int, attempts: int) -> int:
    count = 0
    for number in range(attempts):
        try:
            limiters[number % len(limiters)].take("policy", KEY, limit)
        except RateLimited:
            continue
        count += 1
    return count


@pytest.mark.parametrize("limit", [1, 10, 19, 60, 600])
def test_several_workers_share_one_limit(limit: int) -> None:
    memcache, clock = CountingMemcache(), Clock()
    workers = [limiter(memcache, clock) for _ in range(4)]
    let_pass = passed(workers, limit, 10 * limit + 40)
    assert let_pass == limit


def test_large_limit_is_claimed_in_batches() -> None:
    memcache = CountingMemcache()
    assert passed([limiter(memcache, Clock())], 600, 600) == 600
    assert memcache.exchanges <= 22


def test_the_next_window_opens_the_limit_again() -> None:
    memcache, clock = CountingMemcache(), Clock()
    worker = limiter(memcache, clock)
    assert passed([worker], 10, 20) == 10
    clock.now += 60
    assert passed([worker], 10, 20) == 10


@pytest.mark.parametrize("workers", [1, 3])
def test_raised_limit_holds_at_once_for_a_user_who_has_used_up_the_former_one(workers: int) -> None:
    memcache, clock = CountingMemcache(), Clock()
    limiters = [limiter(memcache, clock) for _ in range(workers)]
    assert passed(limiters, 10, 40) == 10
    assert 190 - workers < passed(limiters, 200, 400) <= 190  # each refused claim of one request is lost


def test_refusal_has_retry_after() -> None:
    clock = Clock()
    clock.now = 6045.5
    worker = limiter(CountingMemcache(), clock)
    worker.take("policy", KEY, 1)
    with pytest.raises(RateLimited) as caught:
        worker.take("policy", KEY, 1)
    assert caught.value.headers() == {
        "Retry-After": "15",
        "RateLimit-Policy": '"policy";q=1;w=60',
        "RateLimit": '"policy";r=0;t=15',
    }


def test_keys_and_policies_are_counted_apart() -> None:
    worker = limiter(CountingMemcache(), Clock())
    worker.take("policy", KEY, 1)
    worker.take("policy", ("user", 2), 1)
    worker.take("another", KEY, 1)


@pytest.mark.parametrize("same_worker", [True, False])
def test_equal_identities_of_two_kinds_are_counted_apart(same_worker: bool) -> None:
    memcache, clock = CountingMemcache(), Clock()
    first = limiter(memcache, clock)
    second = first if same_worker else limiter(memcache, clock)
    keys: list[Key] = [("user", 7), ("session", 7), ("email", "7"), ("network", "7"), ("email", "('user', 7)")]
    for number, key in enumerate(keys):
        (first, second)[number % 2].take("policy", key, 1)


def test_zero_is_no_limit() -> None:
    memcache = CountingMemcache()
    assert passed([limiter(memcache, Clock())], 0, 1000) == 1000
    assert memcache.exchanges == 0


@pytest.mark.parametrize("configured", [True, False])
def test_without_memcached_each_worker_counts_alone(configured: bool) -> None:
    memcache = CountingMemcache()
    memcache.down = True
    workers = [RateLimiter(cast("Memcache", memcache) if configured else Memcache((), 250), Clock()) for _ in range(2)]
    assert passed(workers, 10, 100) == 20


def test_concurrent_requests_claim_one_batch_at_a_time() -> None:
    memcache = CountingMemcache()
    worker = limiter(memcache, Clock())
    entered, leave = threading.Event(), threading.Event()
    count = memcache.count

    def slow_count(key: str, by: int, ttl_s: int) -> int | None:
        entered.set()
        leave.wait(10)
        return count(key, by, ttl_s)

    memcache.count = slow_count  # type: ignore[method-assign]
    with ThreadPoolExecutor(20) as threads:
        first = threads.submit(worker.take, "policy", KEY, 600)
        assert entered.wait(10)
        others = [threads.submit(worker.take, "policy", KEY, 600) for _ in range(19)]
        leave.set()
        assert all(each.result(10) for each in (first, *others))
    assert set(memcache.counts.values()) == {30}


def test_each_user_has_cells_of_its_own_in_all_windows() -> None:
    """The server takes requests from them, too."""
    memcache, clock, keys = CountingMemcache(), Clock(), (KEY, ("user", 2))
    limits = limiter(memcache, clock)
    for key in keys:
        limits.take("user", cast("Key", key), 100)
    first, second = (limits.cells("user", cast("Key", key), 100) for key in keys)
    assert first is not None
    assert second is not None
    first[LEFT] = 1
    assert [limits.take("user", KEY, 100), second[LEFT]] == [(0, 60), 4]
    clock.now += 60
    limits.take("user", KEY, 100)
    assert limits.cells("user", KEY, 100) is first
    assert list(first) == [4, clock.now // 60]


def test_user_without_a_limit_has_no_cells() -> None:
    limits = limiter(CountingMemcache(), Clock())
    limits.take("user", KEY, 0)
    assert limits.cells("user", KEY, 0) is None


def test_keys_that_nobody_uses_are_forgotten_and_others_keep_their_cells() -> None:
    """The server takes requests from the cells of a key in use."""
    clock = Clock()
    limits = limiter(CountingMemcache(), clock)
    for number in range(100):
        limits.take("logouts", ("session", number), 5)
    limits.take("user", KEY, 5)
    cells = limits.cells("user", KEY, 5)
    for _ in range(2 * IDLE_WINDOWS):
        clock.now += WINDOW_SECONDS
        limits.take("user", KEY, 5)
        assert limits.cells("user", KEY, 5) is cells
    for number in range(50):
        limits.take("logouts", ("session", 1000 + number), 5)
    assert len(limits._allowances) == 51


def test_no_more_keys_are_remembered_than_the_bound_and_the_latest_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.web.limits.TRACKED_KEYS", 10)
    limits = limiter(CountingMemcache(), Clock())
    for number in range(30):
        limits.take("user", ("user", number), 5)
    assert [key for _, key in limits._allowances] == [("user", number) for number in range(20, 30)]
