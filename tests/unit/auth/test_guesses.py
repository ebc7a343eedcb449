"""Guesses: wrong ones are limited over all workers however they interleave, right ones never are."""

import random
import threading
from collections.abc import Callable
from typing import Any, cast

import pytest

from app.auth.audit.store import AuditStore
from app.auth.guesses import NOTED_PER_MINUTE, Guesses, Refusals
from app.auth.schemas import Client
from app.errors import RateLimited, Unavailable
from app.infra.background.afterwards import Afterwards
from app.infra.memcache.client import CacheUnavailable, Memcache
from app.web.limits import Key

LIMIT = 10
KEY: Key = ("email", "ada@example.com")
CLIENT = Client("192.0.2.1", "the tests", "request-1")


class Counters:
    """memcached as far as counters go: each step is atomic, and `decr` stops at 0."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.down = False
        self._lock = threading.Lock()

    def decr(self, key: str, by: int) -> int | None:
        return self._change(key, -by)

    def _change(self, key: str, by: int) -> int | None:
        if self.down:
            raise CacheUnavailable("down")
        with self._lock:
            if by < 0 and key not in self.numbers:
                return None
            self.numbers[key] = max(self.numbers.get(key, 0) + by, 0)
            return self.numbers[key]

    def count(self, key: str, by: int) -> int | None:
        return self._change(key, by)


class Shared:
    def __init__(self) -> None:
        self.primary = Counters()

    def count(self, key: str, by: int, ttl_s: int) -> int | None:
        try:
            return self.primary.count(key, by)
        except CacheUnavailable:
            return None


class Clock:
    now = 6000.0

    def __call__(self) -> float:
        return self.now


def guesses(memcache: Any = None, clock: Clock | None = None) -> Guesses:
    return Guesses(Memcache((), 100) if memcache is None else cast("Memcache", memcache), clock or Clock())


def attempt(worker: Guesses, right: bool, key: Key = KEY) -> bool | int:
    """The outcome, or after how many seconds to come back."""
    try:
        return worker.check(key, LIMIT, lambda: right)
    except RateLimited as error:
        return error.resets_in


@pytest.mark.parametrize("workers", [1, 3, 30])
def test_right_passwords_alone_never_use_the_limit_up(workers: int) -> None:
    memcache = Shared()
    service = [guesses(memcache) for _ in range(workers)]
    assert {attempt(service[number % workers], right=True) for number in range(20 * LIMIT)} == {True}


@pytest.mark.parametrize("memcache", [Shared(), None])
def test_the_limit_counts_wrong_passwords_between_right_ones(memcache: Any) -> None:
    worker, clock = guesses(memcache), Clock()
    for _ in range(LIMIT):
        assert attempt(worker, right=True) is True
        assert attempt(worker, right=False) is False
    assert attempt(worker, right=True) == 60
    assert attempt(guesses(memcache, clock), right=True, key=("session", 7)) is True


def test_what_fails_otherwise_is_no_guess() -> None:
    worker = guesses(Shared())

    def busy() -> bool:
        raise Unavailable("too many passwords are being checked")

    for _ in range(2 * LIMIT):
        with pytest.raises(Unavailable):
            worker.check(KEY, LIMIT, busy)
    assert attempt(worker, right=True) is True


@pytest.mark.parametrize("memcache", [Shared(), None])
def test_checks_under_way_are_no_failures(memcache: Any) -> None:
    """What they would exceed the limit with comes back in a second, and passes when they were right."""
    worker, entered, leave = guesses(memcache), threading.Semaphore(0), threading.Event()

    def slow() -> bool:
        entered.release()
        return leave.wait(10)

    threads = [threading.Thread(target=worker.check, args=(KEY, LIMIT, slow)) for _ in range(LIMIT)]
    for each in threads:
        each.start()
        assert entered.acquire(timeout=10)
    assert [attempt(worker, right=True) for _ in range(3)] == [1, 1, 1]
    leave.set()
    for each in threads:
        each.join(10)
    assert attempt(worker, right=True) is True


@pytest.mark.parametrize("seed", range(300))
def test_however_checks_interleave_no_more_than_the_limit_are_wrong(seed: int) -> None:
    """Checks of several workers begin and end in any order; nested calls are checks under way."""
    chance, memcache = random.Random(seed), Shared()
    service = [guesses(memcache) for _ in range(3)]
    wrong, steps = 0, 60

    def verify(depth: int) -> Callable[[], bool]:
        def run() -> bool:
            nonlocal wrong
            others(depth + 1)
            right = chance.random() < 0.4
            wrong += not right
            return right

        return run

    def others(depth: int) -> None:
        nonlocal steps
        while steps > 0 and chance.random() < (0.7 if depth < 12 else 0):
            steps -= 1
            try:
                chance.choice(service).check(KEY, LIMIT, verify(depth))
            except RateLimited as error:
                assert error.resets_in == 1 or wrong >= LIMIT

    while steps > 0:
        others(0)
    assert wrong <= LIMIT
    assert list(memcache.primary.numbers.values()) == [wrong]


def test_a_new_minute_begins_at_nothing() -> None:
    memcache, clock = Shared(), Clock()
    worker = guesses(memcache, clock)
    assert [attempt(worker, right=False) for _ in range(LIMIT + 1)] == [False] * LIMIT + [60]
    clock.now += 60
    assert attempt(worker, right=True) is True


def test_without_memcached_each_worker_counts_alone() -> None:
    memcache = Shared()
    memcache.primary.down = True
    for worker in (guesses(memcache), guesses(memcache)):
        assert [attempt(worker, right=False) for _ in range(LIMIT + 1)] == [False] * LIMIT + [60]


def test_a_cache_that_comes_back_meanwhile_is_not_told_of_what_it_did_not_count() -> None:
    memcache = Shared()
    worker = guesses(memcache)
    memcache.primary.down = True

    def comes_back() -> bool:
        memcache.primary.down = False
        return False

    assert not worker.check(KEY, LIMIT, comes_back)
    assert [attempt(worker, right=False) for _ in range(LIMIT + 1)] == [False] * LIMIT + [60]


class Noting(Afterwards):
    def __init__(self) -> None:
        super().__init__()
        self.policies: list[object] = []

    def do(self, work: Callable[..., object], *args: Any) -> bool:
        self.policies.append(args[0])
        return True


def test_refusals_are_noted_once_a_minute_for_each_key_and_never_too_often() -> None:
    noting, clock = Noting(), Clock()
    refusals = Refusals(AuditStore(cast("Any", None)), noting, clock)
    for _ in range(50):
        refusals.note("logins", ("network", "192.0.2.1"), None, CLIENT)
        refusals.note("login_failures", KEY, 7, CLIENT)
    assert noting.policies == ["logins", "login_failures"]
    clock.now += 60
    for number in range(3 * NOTED_PER_MINUTE):
        refusals.note("logins", ("network", str(number)), None, CLIENT)
    assert len(noting.policies) == 2 + NOTED_PER_MINUTE
