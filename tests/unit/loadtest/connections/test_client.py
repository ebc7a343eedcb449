"""The holder of many connections: its counts of answers and failures."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from loadtest.connections import client
from loadtest.connections.client import Holder

REQUEST = "GET / HTTP/1.1\r\nHost: test\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@contextmanager
def serving(answer: Callable[[socket.socket], object]) -> Iterator[int]:
    """A port whose connections are handed to `answer`, each in a thread."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                accepted, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(accepted,), daemon=True).start()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def keep_answering(sock: socket.socket) -> None:
    while sock.recv(1000):
        sock.sendall(ANSWER[:30])
        sock.sendall(ANSWER[30:])


def answer_once(sock: socket.socket) -> None:
    sock.recv(1000)
    sock.sendall(ANSWER)
    sock.recv(1000)
    sock.close()


def refuse(sock: socket.socket) -> None:
    sock.recv(1000)
    sock.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")


def test_each_connection_is_used_again() -> None:
    holder = Holder()
    with serving(keep_answering) as port:
        assert holder.open(20, port, "127.0.0.9", REQUEST, at_once=3).answered == 20
        for at_once in (1, 100):
            outcome = holder.ask(REQUEST, at_once)
            assert (outcome.answered, len(outcome.latencies_ms), outcome.failures) == (20, 20, {})


def test_connections_closed_by_the_server_are_reported() -> None:
    holder = Holder()
    with serving(answer_once) as port:
        assert holder.open(3, port, "127.0.0.9", REQUEST, at_once=3).answered == 3
        outcome = holder.ask(REQUEST, at_once=3)
        assert (outcome.answered, outcome.failures) == (0, {"closed in an answer": 3})


def test_refused_requests_do_not_count_as_answered() -> None:
    with serving(refuse) as port:
        outcome = Holder().open(2, port, "127.0.0.9", REQUEST, at_once=1)
    assert (outcome.answered, outcome.failures) == (0, {"status 503": 2})


def test_hanging_connection_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "LONGEST_ANSWER_S", 0.0)
    release = threading.Event()
    with serving(lambda sock: release.wait()) as port:
        outcome = Holder().open(2, port, "127.0.0.9", REQUEST, at_once=2)
    release.set()
    assert (outcome.answered, outcome.failures) == (0, {"no answer": 2})


def test_connecting_to_a_closed_port_fails() -> None:
    with serving(keep_answering) as port:
        pass
    outcome = Holder().open(2, port, "127.0.0.9", REQUEST, at_once=2)
    assert outcome.answered == 0
    assert sum(outcome.failures.values()) == 2
