"""The open-loop generator against a server that stalls."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from loadtest.client import encoded
from loadtest.openloop import FAILED, Generator, Plan

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
Answer = Callable[[int], bytes]
Start = Callable[[Answer], int]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a server of one connection at a time; `answer(n)` makes its nth answer, an empty one closes."""
    listeners = []

    def serve(listener: socket.socket, answer: Answer) -> None:
        number = 0
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                while connection.recv(65_536) and (text := answer(number)):
                    number += 1
                    connection.sendall(text)

    def begin(answer: Answer) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        threading.Thread(target=serve, args=(listener, answer), daemon=True).start()
        return int(listener.getsockname()[1])

    yield begin
    for each in listeners:
        each.shutdown(socket.SHUT_RDWR)
        each.close()


def plan(port: int, count: int, rate: float) -> Plan:
    return Plan(port, [encoded("GET", "/").decode()], count, rate, connections=1)


def test_every_request_is_answered_and_counted(start: Start) -> None:
    outcome = Generator(plan(start(lambda number: OK), 50, float("inf"))).run()
    assert outcome.statuses == {200: 50}
    assert len(outcome.latencies_ms) == 50


def test_latency_includes_the_wait_behind_a_stall(start: Start) -> None:
    def stalling(number: int) -> bytes:
        if number == 0:
            threading.Event().wait(0.2)
        return OK

    outcome = Generator(plan(start(stalling), 10, 1000)).run()
    assert outcome.statuses == {200: 10}
    assert min(outcome.latencies_ms) > 100


def test_a_connection_closed_without_an_answer_is_a_failure(start: Start) -> None:
    outcome = Generator(plan(start(lambda number: OK if number % 2 else b""), 4, float("inf"))).run()
    assert outcome.statuses == {FAILED: 4}


def test_rate_leaves_out_the_ends(start: Start) -> None:
    def slow_at_the_ends(number: int) -> bytes:
        if number in {0, 49}:
            threading.Event().wait(0.3)
        return OK

    outcome = Generator(plan(start(slow_at_the_ends), 50, float("inf"))).run()
    assert outcome.seconds > 0.6
    assert 0 < outcome.steady_s < outcome.seconds - 0.6
    assert outcome.per_second(1) == 48 / outcome.steady_s
    assert outcome.per_second(10) == 50 / outcome.seconds
