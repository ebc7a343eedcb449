"""Leader election: one operator acts at a time, and never for longer than its Lease."""

import asyncio
from dataclasses import replace

import pytest

from jobfinder_operator.clients.lease import Leadership, LeaseConflict, LeaseRecord


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Store:
    """One Lease; `slow_s` is how long a write takes, `down` makes every call fail."""

    def __init__(self, clock: Clock) -> None:
        self.record: LeaseRecord | None = None
        self.clock, self.slow_s, self.down = clock, 0.0, False
        self.version = 0

    async def read_lease(self, name: str) -> LeaseRecord | None:
        if self.down:
            raise OSError("connection refused")
        return self.record

    async def create_lease(self, name: str, holder: str, duration_s: float) -> None:
        if self.record is not None:
            raise LeaseConflict("it exists")
        self._write(LeaseRecord(holder, duration_s, ""))

    async def replace_lease(self, name: str, record: LeaseRecord) -> None:
        if self.record is None or record.version != self.record.version:
            raise LeaseConflict("it has changed")
        self._write(record)

    def _write(self, record: LeaseRecord) -> None:
        self.version += 1
        self.clock.now += self.slow_s
        self.record = replace(record, version=str(self.version))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> Store:
    return Store(clock)


def candidate(store: Store, name: str) -> Leadership:
    return Leadership(store, "jobfinder-operator", name, duration_s=10, clock=store.clock)


def attempt(*candidates: Leadership) -> None:
    for each in candidates:
        asyncio.run(each.attempt())


def test_first_candidate_holds_the_lease_and_the_second_waits(store: Store) -> None:
    first, second = candidate(store, "a"), candidate(store, "b")
    attempt(first, second)
    assert (first.holds, second.holds) == (True, False)


def test_holder_that_renews_keeps_the_lease(store: Store, clock: Clock) -> None:
    first, second = candidate(store, "a"), candidate(store, "b")
    for _ in range(20):
        attempt(first, second)
        clock.now += 2
    assert (first.holds, second.holds) == (True, False)


def test_holder_that_stops_renewing_loses_the_lease_before_another_takes_it(store: Store, clock: Clock) -> None:
    first, second = candidate(store, "a"), candidate(store, "b")
    attempt(first, second)
    held = []
    for _ in range(12):
        clock.now += 1
        attempt(second)
        held.append((first.holds, second.holds))
    assert (True, True) not in held
    assert held[-1] == (False, True)
    attempt(first)
    assert first.holds is False


def test_time_of_a_slow_renewal_shortens_the_lease(store: Store, clock: Clock) -> None:
    """The other candidate may count from the arrival of the write, so the holder counts from before it was sent."""
    first = candidate(store, "a")
    store.slow_s = 7
    attempt(first)
    assert first.remaining_s == 3


def test_restart_in_the_same_pod_holds_the_lease_at_once(store: Store) -> None:
    attempt(candidate(store, "a"))
    again = candidate(store, "a")
    attempt(again)
    assert again.holds


def test_loser_of_a_race_does_not_hold_the_lease(store: Store, clock: Clock) -> None:
    first, second = candidate(store, "a"), candidate(store, "b")
    attempt(first, second)
    clock.now += 11
    read = store.record
    attempt(second)
    assert read is not None
    with pytest.raises(LeaseConflict):
        asyncio.run(store.replace_lease("jobfinder-operator", read))
    attempt(first)
    assert (first.holds, second.holds) == (False, True)


def test_a_release_lets_the_next_one_begin_at_once(store: Store) -> None:
    first, second = candidate(store, "a"), candidate(store, "b")
    attempt(first, second)
    asyncio.run(first.release())
    attempt(second)
    assert (first.holds, second.holds) == (False, True)


def test_successor_waits_until_it_holds_the_lease(store: Store) -> None:
    first, second = candidate(store, "first"), candidate(store, "second")

    async def hand_over() -> bool:
        await first.attempt()
        await second.attempt()
        soon = asyncio.create_task(second.soon_holds())
        await asyncio.sleep(0)
        assert not soon.done()
        await first.release()
        await second.attempt()
        return await soon

    assert asyncio.run(hand_over())


def test_keep_reports_every_change_and_survives_api_failures(store: Store, clock: Clock) -> None:
    told: list[bool] = []

    async def run() -> None:
        kept = Leadership(store, "jobfinder-operator", "a", duration_s=0.05, clock=asyncio.get_running_loop().time)
        task = asyncio.create_task(kept.keep(told.append))
        for down, expected in ((False, [True]), (True, [True, False]), (False, [True, False, True])):
            store.down = down
            async with asyncio.timeout(10):
                while told != expected:  # noqa: ASYNC110 - the clock is what is being tested
                    await asyncio.sleep(0.005)
        task.cancel()

    asyncio.run(run())
    assert told == [True, False, True]
