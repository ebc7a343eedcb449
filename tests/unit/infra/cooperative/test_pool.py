"""Limits, order and counters of the connection pool."""

import threading
import time
from collections.abc import Callable

import pytest

from app.infra.cooperative.pool import Pool, PoolTimeout


class FakeConnection:
    """A connection that notes whether it was closed."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.idle_since = 0.0
        self.dead = self.closed = False

    def usable(self) -> bool:
        return not self.dead

    def close(self) -> None:
        self.closed = True


class FakeServer:
    """Numbers its connections; refuses them while `refuses` is set."""

    def __init__(self) -> None:
        self.opened: list[FakeConnection] = []
        self.refuses = False

    def connect(self) -> FakeConnection:
        if self.refuses:
            raise ConnectionRefusedError
        self.opened.append(FakeConnection(len(self.opened) + 1))
        return self.opened[-1]


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


def queued(pool: Pool[FakeConnection], number: int) -> Callable[[], bool]:
    return lambda: pool.stats().waiting == number


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "the condition never held"
        threading.Event().wait(0.001)


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_most_recently_used_connection_is_taken_first(server: FakeServer) -> None:
    pool = Pool(server.connect, 3)
    first, second = pool.acquire(1), pool.acquire(1)
    pool.release(second)
    pool.release(first)
    assert [pool.acquire(1), pool.acquire(1)] == [first, second]


def test_maximum_is_kept_and_a_waiting_caller_times_out(server: FakeServer) -> None:
    pool = Pool(server.connect, 2)
    pool.acquire(1)
    pool.acquire(1)
    with pytest.raises(PoolTimeout):
        pool.acquire(0.01)
    stats = pool.stats()
    assert (len(server.opened), stats.in_use, stats.idle, stats.waiting, stats.timeouts) == (2, 2, 0, 0, 1)
    assert stats.waited_ms_total > 0


def test_callers_are_served_in_the_order_in_which_they_came(server: FakeServer) -> None:
    pool = Pool(server.connect, 1)
    connection = pool.acquire(1)
    served: list[int] = []

    def use(number: int) -> None:
        mine = pool.acquire(10)
        served.append(number)
        pool.release(mine)

    threads = []
    for number in range(4):
        threads.append(in_thread(lambda number=number: use(number)))  # type: ignore[misc]
        until(queued(pool, number + 1))
    pool.release(connection)
    for thread in threads:
        thread.join(10)
    assert served == [0, 1, 2, 3]
    assert len(server.opened) == 1


def test_a_connection_that_its_peer_closed_is_replaced(server: FakeServer) -> None:
    pool = Pool(server.connect, 1)
    first = pool.acquire(1)
    pool.release(first)
    first.dead = True
    assert pool.acquire(1).number == 2
    assert first.closed
    assert pool.stats().in_use == 1


def test_failed_connect_uses_no_slot(server: FakeServer) -> None:
    pool = Pool(server.connect, 1)
    server.refuses = True
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            pool.acquire(1)
    server.refuses = False
    assert pool.acquire(1).number == 1


def test_slot_of_a_discarded_connection_goes_to_a_waiting_caller(server: FakeServer) -> None:
    pool = Pool(server.connect, 1)
    broken = pool.acquire(1)
    got: list[FakeConnection] = []
    thread = in_thread(lambda: got.append(pool.acquire(10)))
    until(queued(pool, 1))
    pool.discard(broken)
    thread.join(10)
    assert broken.closed
    assert [connection.number for connection in got] == [2]


def test_greater_maximum_wakes_a_waiting_caller(server: FakeServer) -> None:
    pool = Pool(server.connect, 1)
    pool.acquire(1)
    got: list[FakeConnection] = []
    thread = in_thread(lambda: got.append(pool.acquire(10)))
    until(queued(pool, 1))
    pool.resize(2)
    thread.join(10)
    assert [connection.number for connection in got] == [2]


def test_smaller_maximum_closes_idle_connections_now_and_used_ones_on_release(server: FakeServer) -> None:
    pool = Pool(server.connect, 3)
    used = [pool.acquire(1) for _ in range(3)]
    pool.release(used[0])
    pool.resize(1)
    assert used[0].closed
    pool.release(used[1])
    pool.release(used[2])
    assert [connection.closed for connection in used] == [True, True, False]
    assert (pool.stats().in_use, pool.stats().idle) == (0, 1)


def test_idle_connections_are_pruned_down_to_the_minimum(server: FakeServer) -> None:
    pool = Pool(server.connect, 4)
    used = [pool.acquire(1) for _ in range(4)]
    for connection in used:
        pool.release(connection)
    pool.prune(3600, keep=0)
    assert pool.stats().idle == 4
    pool.prune(-1, keep=1)
    assert [connection.closed for connection in used] == [True, True, True, False]


def test_close_closes_idle_connections_now_and_used_ones_on_release(server: FakeServer) -> None:
    pool = Pool(server.connect, 2)
    idle, used = pool.acquire(1), pool.acquire(1)
    pool.release(idle)
    pool.close()
    assert (idle.closed, used.closed) == (True, False)
    pool.release(used)
    assert used.closed
    assert pool.stats().in_use == 0


class _Killed(BaseException):
    """Stands for the exception that kills a request greenlet."""


def test_connection_granted_to_a_killed_caller_goes_to_the_next(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = Pool(server.connect, 1)
    connection = pool.acquire(1)

    class KillingEvent:
        """The caller is killed at the moment when the connection arrives."""

        def set(self) -> None: ...

        def wait(self, timeout_s: float) -> bool:
            pool.release(connection)
            raise _Killed

    with monkeypatch.context() as patch:
        patch.setattr("app.infra.cooperative.pool.Event", KillingEvent)
        with pytest.raises(_Killed):
            pool.acquire(1)
    assert pool.acquire(1) is connection


def test_counters_are_right_after_many_threads(server: FakeServer) -> None:
    pool = Pool(server.connect, 4)

    def work(seed: int) -> None:
        for turn in range(200):
            connection = pool.acquire(30)
            if (turn + seed) % 7 == 0:
                pool.discard(connection)
            else:
                pool.release(connection)

    threads = [in_thread(lambda seed=seed: work(seed)) for seed in range(12)]  # type: ignore[misc]
    for thread in threads:
        thread.join(60)
    stats = pool.stats()
    assert (stats.in_use, stats.waiting, stats.timeouts) == (0, 0, 0)
    assert stats.idle == sum(not connection.closed for connection in server.opened) <= 4
