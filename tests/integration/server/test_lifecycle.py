"""Starting, replacing and stopping workers: accepted requests are answered."""

import os
import signal
import threading
from collections import Counter
from pathlib import Path
from typing import Self

from tests.integration.server.serving import Connection, Server, connect, eventually, serving


class Load:
    """Clients that send requests in a loop, half of them on kept connections; `lost` lists unanswered requests."""

    def __init__(self, server: Server, clients: int = 4) -> None:
        self.answered: list[int] = []
        self.lost: list[str] = []
        self.refused = 0
        assert server.address is not None
        self._address, self._ending = server.address, threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number % 2 == 0,)) for number in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *unused: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def _run(self, keep: bool) -> None:
        connection: Connection | None = None
        while not self._ending.is_set():
            try:
                connection = connection or connect(self._address)
            except ConnectionError:
                self.refused += 1
                return
            try:
                response = connection.get("/sleep?s=0.01")
                self.answered.append(response.json())
                if not keep or response.header("connection") == "close":
                    connection.close()
                    connection = None
            except OSError as error:
                self.lost.append(repr(error))
                connection = None


def test_a_killed_worker_is_replaced_and_the_master_lives(worker: str, folder: Path) -> None:
    with serving(worker, folder) as server:
        (before,) = server.workers()
        os.kill(before, signal.SIGKILL)
        assert eventually(lambda: server.workers() not in ([], [before]), "a new worker")
        assert server.get("/pid").json() != before
        assert server.alive


def test_sigterm_answers_running_requests_and_stops(worker: str, folder: Path) -> None:
    with serving(worker, folder) as server:
        idle, busy, started = server.connect(), server.connect(), server.connect()
        assert idle.get("/pid").header("connection") != "close"
        busy.send("GET /sleep?s=1.5 HTTP/1.1\r\nHost: t\r\n\r\n")
        eventually(lambda: "sleep" in server.get("/started").json(), "the request")
        started.send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nbo")
        if worker == "meinheld":
            eventually(lambda: server.get("/pid"), "the worker to have read it")
        server.signal(signal.SIGTERM)
        started.send("dy")
        assert started.response().json()["length"] == 4
        response = busy.response()
        assert response.status == 200
        assert worker == "gthread" or response.header("connection") == "close"
        assert idle.closed()
        assert busy.closed()
        assert server.wait() == 0


def test_sigterm_under_load_answers_each_accepted_request(worker: str, folder: Path) -> None:
    with serving(worker, folder, workers=2) as server:
        with Load(server, clients=8) as load:
            eventually(lambda: len(load.answered) > 100, "answers")
            server.signal(signal.SIGTERM)
            assert server.wait() == 0
        assert load.lost == []


def test_connections_before_sigterm_are_served(folder: Path) -> None:
    with serving("meinheld", folder) as server:
        (pid,) = server.workers()
        os.kill(pid, signal.SIGSTOP)
        waiting = [server.connect() for _ in range(20)]
        for connection in waiting:
            connection.send("GET /pid HTTP/1.1\r\nHost: t\r\n\r\n")
        server.signal(signal.SIGTERM)
        eventually(lambda: "Handling signal: term" in server.log(), "the master to handle SIGTERM")
        os.kill(pid, signal.SIGCONT)
        assert [connection.response().json() for connection in waiting] == [pid] * 20
        assert server.wait() == 0


def test_sighup_under_load_answers_each_request(worker: str, folder: Path) -> None:
    with serving(worker, folder, workers=2) as server:
        with Load(server) as load:
            for _ in range(2):
                before = set(server.workers())
                count = len(load.answered)
                server.signal(signal.SIGHUP)
                eventually(lambda: len(set(server.workers()) - before) == 2, "new workers")
                eventually(lambda: not before & set(server.workers()), "the old workers to end")
                eventually(lambda: len(load.answered) > count + 20, "answers")
        assert (load.lost, load.refused) == ([], 0)
        assert len(set(load.answered)) >= 4


def test_reload_is_refused_while_old_workers_are_ending(folder: Path) -> None:
    with serving("meinheld", folder, workers=2, graceful_timeout=2) as server:
        first: dict[int, Connection] = {}

        def both_answer() -> bool:
            connection = server.connect()
            first[connection.get("/pid").json()] = connection
            return len(first) == 2

        eventually(both_answer, "a connection to each worker")
        for connection in first.values():
            connection.send("GET /hang HTTP/1.1\r\nHost: t\r\n\r\n")
        server.signal(signal.SIGHUP)
        eventually(lambda: len(server.workers()) == 4, "a second generation")
        for _ in range(3):
            server.signal(signal.SIGHUP)
            server.signal(signal.SIGTTIN)
        eventually(
            lambda: "Not reloaded: workers of the last reload are still ending" in server.log(), "the log message"
        )
        eventually(lambda: "No worker more: WORKERS is 2" in server.log(), "the log message")
        assert len(server.workers()) <= 4
        assert server.alive
        assert server.get("/pid").status == 200


def test_workers_are_replaced_after_max_requests_without_loss(worker: str, folder: Path) -> None:
    with serving(worker, folder, workers=2, max_requests=40, max_requests_jitter=10) as server:
        with Load(server) as load:
            eventually(lambda: len(set(load.answered)) >= 4, "replaced workers")
        assert (load.lost, load.refused) == ([], 0)


def test_a_hung_worker_is_replaced(folder: Path) -> None:
    with serving("meinheld", folder, timeout=2) as server:
        (before,) = server.workers()
        connection = server.connect()
        connection.send("GET /hang HTTP/1.1\r\nHost: t\r\n\r\n")
        eventually(lambda: server.workers() not in ([], [before]), "a new worker")
        assert server.get("/pid").json() != before
        assert "in hang" in server.log()


def test_workers_end_when_their_master_is_killed(worker: str, folder: Path) -> None:
    server = Server(worker, folder)
    with_worker = server.__enter__()
    (pid,) = with_worker.workers()
    server.signal(signal.SIGKILL)
    server.wait()
    eventually(lambda: not Path(f"/proc/{pid}/status").exists(), "the orphan to end")


def test_connections_are_spread_over_the_workers(folder: Path) -> None:
    with serving("meinheld", folder, workers=2) as server:
        eventually(lambda: server.log().count("Booting worker") == 2, "two workers")

        def spread() -> bool:
            opened = [server.connect() for _ in range(40)]
            served = Counter(connection.get("/pid").json() for connection in opened)
            for connection in opened:
                connection.close()
            return len(served) == 2 and min(served.values()) >= 10

        eventually(spread, "a fair share for each worker")


def test_killed_worker_gets_no_share_of_connections(folder: Path) -> None:
    with serving("meinheld", folder, workers=2) as server:
        eventually(lambda: server.log().count("Booting worker") == 2, "two workers")
        opened = [server.connect() for _ in range(20)]
        pids = {connection.get("/pid").json() for connection in opened}
        os.kill(pids.pop(), signal.SIGKILL)
        eventually(lambda: server.log().count("Booting worker") == 3, "a new worker")
        assert all(server.get("/pid").status == 200 for _ in range(20))
