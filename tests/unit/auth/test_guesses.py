"""Wrong passwords are limited across all workers in any interleaving; right passwords never are."""

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
    """A fake memcached with counters only: each operation is atomic, and `decr` stops at 0."""

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
    """The outcome, or the number of seconds after which to retry."""
    try:
        return worker.check(key, LIMIT, lambda: right)
    except RateLimited as error:
        return error.resets_in


@pytest.mark.parametrize("workers", [1, 3, 30])
def test_right_passwords_do_not_count_against_the_limit(workers: int) -> None:
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


def test_other_failures_do_not_count_as_guesses() -> None:
    worker = guesses(Shared())

    def busy() -> bool:
        raise Unavailable("too many passwords are being checked")

    for _ in range(2 * LIMIT):
        with pytest.raises(Unavailable):
            worker.check(KEY, LIMIT, busy)
    assert attempt(worker, right=True) is True


@pytest.mark.parametrize("memcache", [Shared(), None])
def test_running_checks_do_not_count_as_failures(memcache: Any) -> None:
    """While running checks fill the limit, others are told to retry after 1 s; they pass once those were right."""
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
def test_wrong_guesses_never_exceed_the_limit_in_any_interleaving(seed: int) -> None:
    """Checks of several workers overlap in any order; a nested call is a check that starts while another runs."""
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


def test_count_starts_at_zero_each_minute() -> None:
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


def test_memcached_that_recovers_during_a_check_is_not_updated() -> None:
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


def test_refusals_are_audited_once_a_minute_per_key_up_to_a_maximum() -> None:
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
