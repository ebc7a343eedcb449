"""Waiting in ordinary threads; `tests/integration/server/test_waiting.py` tests the same in requests."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from greenlet import greenlet

from app.infra import cooperative
from app.infra.cooperative import waits


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def executor() -> Iterator[cooperative.Executor]:
    made = cooperative.Executor(threads=1, queue=1)
    yield made
    made.close()


def test_wait_ends_when_ready_or_at_timeout(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    cooperative.wait_writable(ours.fileno(), 1)
    with pytest.raises(TimeoutError):
        cooperative.wait_readable(ours.fileno(), 0.01)
    theirs.send(b"x")
    cooperative.wait_readable(ours.fileno(), 10)


def test_expired_timeout_raises_at_once(pair: tuple[socket.socket, socket.socket]) -> None:
    with pytest.raises(TimeoutError):
        cooperative.wait_readable(pair[0].fileno(), -5)


class BusyLoop:
    """Runs other requests until the limit has passed; meanwhile the peer answers."""

    def __init__(self, answer: Callable[[], object]) -> None:
        self._answer = answer

    def wait(self, fd: int, events: int, timeout_s: float) -> bool:
        self._answer()
        return False


@pytest.mark.parametrize("limit_s", [10, 0, -1])
def test_answer_that_arrived_while_the_loop_was_busy_is_in_time(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch, limit_s: float
) -> None:
    ours, theirs = pair
    monkeypatch.setattr(waits, "_loop", BusyLoop(lambda: theirs.send(b"x")))
    if limit_s <= 0:
        theirs.send(b"x")
    waiting = greenlet(lambda: cooperative.wait_readable(ours.fileno(), limit_s))
    waiting.switch()
    assert waiting.dead


def test_busy_loop_keeps_the_timeout(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waits, "_loop", BusyLoop(lambda: None))
    with pytest.raises(TimeoutError):
        greenlet(lambda: cooperative.wait_readable(pair[0].fileno(), 10)).switch()


def test_event_wakes_all_waiters_and_stays_set() -> None:
    event = cooperative.Event()
    with ThreadPoolExecutor(10) as pool:
        waiting = [pool.submit(event.wait, 20) for _ in range(10)]
        event.set()
        assert all(each.result() for each in waiting)
    assert event.is_set()
    assert event.wait(0)


def test_event_wait_times_out() -> None:
    event = cooperative.Event()
    assert not event.wait(0.01)
    event.set()
    assert event.wait(0.01)


def test_the_executor_passes_results_and_errors_on(executor: cooperative.Executor) -> None:
    assert executor.run(pow, 2, 10, timeout_s=20) == 1024
    with pytest.raises(ZeroDivisionError):
        executor.run(divmod, 1, 0, timeout_s=20)


def test_executor_queue_is_bounded(executor: cooperative.Executor) -> None:
    go, running = threading.Event(), threading.Event()

    def work() -> bool:
        running.set()
        return go.wait(20)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(lambda: executor.run(work, timeout_s=20))
        assert running.wait(20)
        second = pool.submit(lambda: executor.run(work, timeout_s=20))
        while executor.waiting == 0:
            assert not second.done()
        with pytest.raises(cooperative.QueueFull):
            executor.run(work, timeout_s=20)
        executor.resize(threads=3, queue=1)
        while executor.waiting:
            assert not second.done()
        assert executor.run(os.getpid, timeout_s=20) == os.getpid()
        go.set()
        assert first.result()
        assert second.result()


def test_call_that_timed_out_in_the_queue_is_not_run(executor: cooperative.Executor) -> None:
    go, running, done = threading.Event(), threading.Event(), list[int]()

    def work() -> bool:
        running.set()
        return go.wait(20)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(lambda: executor.run(work, timeout_s=20))
        assert running.wait(20)
        with pytest.raises(TimeoutError):
            executor.run(done.append, 1, timeout_s=0.05)
        go.set()
        first.result()
    executor.run(done.append, 2, timeout_s=20)
    assert done == [2]


def test_closed_executor_refuses_calls(executor: cooperative.Executor) -> None:
    executor.run(os.getpid, timeout_s=20)
    executor.close()
    with pytest.raises(cooperative.QueueFull):
        executor.run(os.getpid, timeout_s=20)


def test_sockets_talk_over_tcp_and_unix(tmp_path: Path) -> None:
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(str(tmp_path / "socket"))
    unix.listen()
    for listener in (socket.create_server(("127.0.0.1", 0)), unix):
        with listener, cooperative.socket_module.socket(listener.family, socket.SOCK_STREAM) as client:
            client.settimeout(10)
            client.connect(listener.getsockname())
            server, _ = listener.accept()
            with server:
                client.sendall(b"ping")
                assert server.recv(4) == b"ping"
                server.sendall(b"pong!")
                assert client.recv(4) == b"pong"
                buffer = bytearray(1)
                assert client.recv_into(buffer) == 1
                client.settimeout(0.01)
                with pytest.raises(TimeoutError):
                    client.recv(1)


def test_large_message_is_sent_whole_or_times_out() -> None:
    ours, theirs = socket.socketpair()
    with theirs, cooperative.socket_module.socket(fileno=ours.detach()) as client, ThreadPoolExecutor(1) as pool:
        client.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.sendall(b"x" * 10_000_000)
        client.settimeout(20)

        def drain() -> int:
            size = 0
            while data := theirs.recv(1 << 20):
                size += len(data)
            return size

        drained = pool.submit(drain)
        client.sendall(b"y" * 10_000_000)
        client.shutdown(socket.SHUT_WR)
        assert drained.result() >= 10_000_000


def test_connect_waits_for_a_full_unix_listener(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.listen(0)
        with (
            cooperative.socket_module.socket(socket.AF_UNIX) as first,
            cooperative.socket_module.socket(socket.AF_UNIX) as second,
        ):
            first.connect(str(tmp_path / "socket"))
            second.settimeout(0.05)
            with pytest.raises(TimeoutError):
                second.connect(str(tmp_path / "socket"))


def test_a_socket_needs_a_time_limit() -> None:
    with cooperative.socket_module.socket(socket.AF_INET) as client, pytest.raises(ValueError, match="limit"):
        client.settimeout(None)


def test_names_are_resolved_and_addresses_left_alone() -> None:
    assert "127.0.0.1" in cooperative.resolve("localhost", 80)
    assert cooperative.resolve("192.0.2.1", 80) == ["192.0.2.1"]
    with pytest.raises(socket.gaierror):
        cooperative.resolve("no such name", 80)


def test_a_query_timeout_ends_with_its_block() -> None:
    from app.infra.cooperative.queries import QUERY_TIMEOUT_S, _limit_s

    with cooperative.query_timeout(1), cooperative.query_timeout(2):
        assert _limit_s.get() == 2
    assert _limit_s.get() == QUERY_TIMEOUT_S
