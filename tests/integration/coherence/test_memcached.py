"""Workers with several threads on a real memcached: no read is older than an acknowledged change, also in faults."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Thread

import pytest

from app.coherence import Coherence, user_key
from app.coherence.log import look
from app.local.memcached import Memcached
from tests.integration.coherence.workers import Traffic, Truth, count, eventually, start_worker

USERS = range(1, 6)
ROUNDS = 5
PATIENT_TRIES = 10_000


@pytest.fixture
def servers() -> Iterator[tuple[Memcached, Memcached]]:
    with Memcached() as first, Memcached() as second:
        yield first, second


@pytest.fixture(autouse=True)
def frequent_switches() -> Iterator[None]:
    """Threads preempt each other about every 50 us."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-5)
    yield
    sys.setswitchinterval(before)


def addresses(servers: tuple[Memcached, ...]) -> list[str]:
    return [server.address for server in servers]


def edit_everybody(traffic: Traffic) -> None:
    for user_id in USERS:
        traffic.edit(user_id, traffic.workers[user_id % len(traffic.workers)])


def restart(server: Memcached) -> None:
    server.kill()
    server.start()


def pause(server: Memcached) -> None:
    server.pause()
    server.resume()


@pytest.mark.parametrize("lease_ms", [50, 5, 0])
def test_edits_among_many_readers(
    servers: tuple[Memcached, Memcached], monkeypatch: pytest.MonkeyPatch, lease_ms: int
) -> None:
    """GAP_TRIES is raised, because on a busy machine a writer may pause long between its two steps."""
    monkeypatch.setattr(look, "GAP_TRIES", PATIENT_TRIES)
    truth = Truth(USERS)
    workers = [start_worker(truth, addresses(servers), lease_ms) for _ in range(2)]
    with Traffic(truth, workers, threads=6) as traffic:
        for _ in range(ROUNDS):
            edit_everybody(traffic)
        traffic.after_reads(200)
    assert traffic.too_old == []
    assert not truth.outbox
    assert count(workers[0], "histories_started") == 1


@pytest.mark.parametrize("which", [0, 1], ids=["log", "facts"])
@pytest.mark.parametrize("mishap", [restart, Memcached.flush, pause])
def test_edits_while_a_server_fails(
    servers: tuple[Memcached, Memcached], mishap: Callable[[Memcached], object], which: int
) -> None:
    truth = Truth(USERS)
    workers = [start_worker(truth, addresses(servers)) for _ in range(2)]
    with Traffic(truth, workers, threads=6) as traffic:
        for _ in range(ROUNDS):
            edit_everybody(traffic)
            mishap(servers[which])
        edit_everybody(traffic)
        traffic.after_reads(200)
    assert traffic.too_old == []


def test_edits_while_workers_know_different_numbers_of_servers(servers: tuple[Memcached, Memcached]) -> None:
    truth = Truth(USERS)
    lists = [addresses(servers), addresses(servers)[:1]]
    workers = [start_worker(truth, lists[0]) for _ in range(2)]
    with Traffic(truth, workers, threads=6) as traffic:
        for number in range(2 * ROUNDS):
            edit_everybody(traffic)
            workers[number % 2] = start_worker(truth, lists[number % 3 % 2])
    assert traffic.too_old == []


def test_reads_stay_correct_while_memcached_is_paused(servers: tuple[Memcached, Memcached]) -> None:
    truth = Truth(USERS)
    worker = start_worker(truth, addresses(servers))
    with Traffic(truth, [worker], threads=4) as traffic:
        traffic.after_reads(100)
        servers[0].pause()
        eventually(lambda: not worker.leased())
        edit = Thread(target=traffic.edit, args=(1, worker))
        edit.start()
        traffic.after_reads(100)
        servers[0].resume()
        edit.join()
        eventually(worker.leased)
        traffic.after_reads(100)
    assert traffic.too_old == []


def test_a_warm_worker_does_not_ask_postgresql(servers: tuple[Memcached, Memcached]) -> None:
    truth = Truth(USERS)
    first, second = (start_worker(truth, addresses(servers)) for _ in range(2))
    warm(second)
    for user_id in USERS:
        first.users.load(user_id, truth.read)
    before = truth.reads
    for worker in (first, second) * 3:
        assert worker.users.load_many(list(USERS), lambda keys: pytest.fail(f"{keys}")) == dict.fromkeys(USERS, "1")
    assert truth.reads == before


def warm(worker: Coherence) -> None:
    assert worker.leased()


def test_idle_worker_catches_up_on_a_thousand_changes(servers: tuple[Memcached, Memcached]) -> None:
    truth = Truth(USERS)
    first, second = (start_worker(truth, addresses(servers)) for _ in range(2))
    warm(second)
    second.users.load(1, truth.read)
    change_log = first.agreement.log
    assert change_log is not None
    for number in range(1000, 2000):
        change_log.enter(change_log.take(1), [user_key(number)])
    before = truth.reads
    eventually(second.leased)
    assert second.users.load(1, truth.read) == "1"
    assert truth.reads == before
    assert count(second, "histories_started") == 1


def test_simultaneous_misses_of_many_threads_make_one_query(servers: tuple[Memcached, Memcached]) -> None:
    truth = Truth(USERS)
    worker = start_worker(truth, addresses(servers))
    warm(worker)
    with ThreadPoolExecutor(100) as pool:
        together = Barrier(100)

        def load(_: int) -> str | None:
            together.wait()
            return worker.users.load(1, truth.read)

        assert list(pool.map(load, range(100))) == ["1"] * 100
    assert truth.reads == 1
