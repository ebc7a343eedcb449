"""Several workers share one listening socket; a full worker leaves new connections to the others."""

import os
import resource
import select
import signal
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.server.serving import Connection, Server, eventually, serving

DESCRIPTORS = 60
TICKS = os.sysconf("SC_CLK_TCK")


@pytest.fixture
def pair(folder: Path) -> Iterator[Server]:
    """A service with two workers that have both answered."""
    with serving("meinheld", folder, workers=2) as server:
        seen: set[int] = set()

        def both_answer() -> bool:
            seen.add(server.get("/pid").json())
            return len(seen) == 2

        eventually(both_answer, "an answer of each worker")
        yield server


def test_connections_are_shared_evenly(pair: Server) -> None:
    shares = Counter(pid for _, pid in _opened(pair, 200))
    assert min(shares.values()) >= 80


def test_replaced_worker_gets_its_share_of_connections(pair: Server) -> None:
    first, second = pair.workers()
    kept = [connection for connection, pid in _opened(pair, 100) if pid == second]
    os.kill(first, signal.SIGKILL)
    (fresh,) = eventually(lambda: set(pair.workers()) - {first, second}, "a replacement")
    eventually(lambda: pair.get("/pid").json() == fresh, "an answer of the replacement")
    shares = Counter(pid for _, pid in _opened(pair, 100))
    assert shares[fresh] >= 60
    assert all(connection.get("/pid").json() == second for connection in kept)


def test_full_worker_leaves_new_connections_to_the_others(pair: Server) -> None:
    full, other = pair.workers()
    _limit(full)
    opened = _opened(pair, 300)
    shares = Counter(pid for _, pid in opened)
    assert shares[full] < DESCRIPTORS
    assert shares[other] == 300 - shares[full]
    assert all(connection.get("/pid").json() == pid for connection, pid in opened)
    assert pair.get("/pid").json() == other


def test_full_worker_does_not_spin(pair: Server) -> None:
    full, _ = pair.workers()
    for pid in pair.workers():
        _limit(pid)
    waiting = [pair.connect() for _ in range(3 * DESCRIPTORS)]
    for connection in waiting:
        connection.send("GET /pid HTTP/1.1\r\nHost: t\r\n\r\n")
    own = next(connection for connection in waiting if connection.response().json() == full)
    before = _processor_seconds(full)
    own.get("/sleep?s=1")
    assert _processor_seconds(full) - before < 0.3


def test_waiting_connections_are_served_once_a_worker_has_room(pair: Server) -> None:
    for pid in pair.workers():
        _limit(pid)
    held = _opened(pair, 60)
    waiting = [pair.connect() for _ in range(100)]
    for connection in waiting:
        connection.send("GET /pid HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
    for connection, _ in held:
        connection.close()
    assert {connection.response().status for connection in waiting} == {200}


def test_worker_reserves_descriptors_for_itself(folder: Path) -> None:
    with serving("meinheld", folder) as server:
        (old,) = server.workers()
        resource.prlimit(_parent(old), resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
        server.signal(signal.SIGHUP)
        (pid,) = eventually(lambda: set(server.workers()) - {old}, "a worker with the new limit")
        eventually(lambda: server.get("/pid").json() == pid, "its first answer")
        opened = [server.connect() for _ in range(DESCRIPTORS)]
        for connection in opened:
            connection.send("GET /pid HTTP/1.1\r\nHost: t\r\n\r\n")
        served, waiting = opened[: DESCRIPTORS // 2], opened[DESCRIPTORS // 2 :]
        assert {connection.response().json() for connection in served} == {pid}
        assert _answered(waiting) == []
        assert len(list(Path(f"/proc/{pid}/fd").iterdir())) < DESCRIPTORS
        for connection in served:
            connection.close()
        assert {connection.response().json() for connection in waiting} == {pid}


def _answered(connections: list[Connection]) -> list[socket.socket]:
    return select.select([each.sock for each in connections], [], [], 0)[0]


def _opened(server: Server, number: int) -> list[tuple[Connection, int]]:
    """Connections that have been used once, each with the process id of its worker."""
    opened = []
    for _ in range(number):
        connection = server.connect()
        opened.append((connection, int(connection.get("/pid").json())))
    return opened


def _limit(pid: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, hard))


def _processor_seconds(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS


def _parent(pid: int) -> int:
    return int(_stat(pid)[1])


def _stat(pid: int) -> list[str]:
    """The fields of proc_pid_stat(5) from the state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
