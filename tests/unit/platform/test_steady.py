"""Steady clients count every request once, retry only safe requests, and replace closed connections."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.e2e.platform.load import clients, steady
from tests.e2e.platform.load.clients import Address, ServiceConnection, Tally
from tests.e2e.platform.load.report import Ask, Plan, Report
from tests.e2e.platform.load.steady import Clients
from tests.pods.connections import Request

READ = Ask("GET", "GET /a HTTP/1.1\r\nHost: a\r\n\r\n", 200, "right")
WRITE = Ask("PATCH", "PATCH /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 200)
Play = Callable[[int, int, socket.socket], bool]
"""Called with m, n and the socket; answers the n-th request of the m-th connection, returns whether to keep it open."""


def answer(status: int = 200, body: str = "right", *headers: str) -> bytes:
    lines = (f"HTTP/1.1 {status} Some", f"Content-Length: {len(body)}", "X-Request-Id: w1-a", *headers)
    return "\r\n".join((*lines, "", body)).encode()


@contextmanager
def server(play: Play) -> Iterator[int]:
    """The port of a server whose connections are served one after the other."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        number = 0
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            number += 1
            with connection, suppress(OSError):
                asked = 0
                while connection.recv(65536):
                    asked += 1
                    if not play(number, asked, connection):
                        break

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def after(requests: int, port: int, *asks: Ask, clients: int = 1) -> Report:
    """The report after this many requests were answered or lost."""
    running = Clients(Plan("127.0.0.1", port, asks or (READ,), rate=2000, connections=clients))
    return running.run(lambda: running.report.count >= requests)


def answering(data: bytes, goes_on: bool = True) -> Play:
    def play(connection: int, asked: int, sock: socket.socket) -> bool:
        sock.sendall(data)
        return goes_on

    return play


def test_right_answers_are_counted_and_connections_kept() -> None:
    connections = set()

    def play(connection: int, asked: int, sock: socket.socket) -> bool:
        connections.add(connection)
        sock.sendall(answer())
        return True

    with server(play) as port:
        report = after(50, port)
    assert report.answered == {"200": 50}
    assert (report.failures, report.repeated, connections) == ([], [], {1})
    assert sum(report.right.values()) == 50
    assert set(report.workers) == {"w1"}


def test_an_answer_in_pieces_is_one_answer() -> None:
    def play(connection: int, asked: int, sock: socket.socket) -> bool:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in (answer()[:20], answer()[20:-3], answer()[-3:]):
            sock.sendall(part)
        return True

    with server(play) as port:
        assert after(20, port).answered == {"200": 20}


def test_wrong_status_or_body_is_a_failure() -> None:
    with server(answering(answer(503, "busy", "Retry-After: 1"))) as port:
        busy = after(3, port)
    with server(answering(answer(200, "somebody else"))) as port:
        wrong = after(3, port)
    assert [(each.status, each.honest) for each in busy.failures] == [(503, True)] * 3
    assert [(each.status, each.honest) for each in wrong.failures] == [(200, False)] * 3
    assert busy.right == wrong.right == {}


def test_a_503_without_retry_after_is_not_honest() -> None:
    with server(answering(answer(503, "busy"))) as port:
        assert not after(1, port).failures[0].honest


def test_connection_close_is_honoured() -> None:
    with server(answering(answer(200, "right", "Connection: close"), goes_on=False)) as port:
        report = after(20, port)
    assert (report.answered, report.failures, report.repeated) == ({"200": 20}, [], [])


def test_clients_renew_their_connections_themselves() -> None:
    connections = set()

    def play(connection: int, asked: int, sock: socket.socket) -> bool:
        connections.add(connection)
        sock.sendall(answer())
        return True

    with server(play) as port:
        running = Clients(Plan("127.0.0.1", port, (READ,), rate=2000, connections=1, renewed=5))
        report = running.run(lambda: running.report.count >= 20)
    assert (report.answered, report.failures, report.repeated) == ({"200": 20}, [], [])
    assert connections == {1, 2, 3, 4}


def test_connection_closed_while_idle_is_replaced_without_a_failure() -> None:
    with server(answering(answer(), goes_on=False)) as port:
        running = Clients(Plan("127.0.0.1", port, (READ,), rate=20, connections=1))
        report = running.run(lambda: running.report.count >= 4)
    assert (report.answered, report.failures, report.repeated) == ({"200": 4}, [], [])


def closing_in_the_second(connection: int, asked: int, sock: socket.socket) -> bool:
    """Takes the second request of each connection and closes without a byte."""
    if asked == 2:
        return False
    sock.sendall(answer())
    return True


def test_read_lost_on_a_reused_connection_is_retried_once() -> None:
    with server(closing_in_the_second) as port:
        report = after(10, port)
    assert (report.answered, report.failures) == ({"200": 10}, [])
    assert len(report.repeated) == 9
    assert {(each.reused, each.worker) for each in report.repeated} == {(True, "w1")}


def test_write_is_never_retried() -> None:
    with server(closing_in_the_second) as port:
        report = after(10, port, WRITE)
    assert (report.answered, report.repeated) == ({"200": 5, "0": 5}, [])
    assert len(report.lost) == 5


def test_write_is_not_sent_on_a_connection_that_has_been_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steady, "IDLE_MOST_S", 0.0)
    with server(closing_in_the_second) as port:
        report = after(10, port, WRITE)
    assert (report.answered, report.lost) == ({"200": 10}, [])


@pytest.mark.parametrize(("idle_most_s", "statuses"), [(60.0, [200, 0]), (0.0, [200, 200])])
def test_checkers_write_is_not_sent_on_a_connection_that_has_been_idle(
    monkeypatch: pytest.MonkeyPatch, idle_most_s: float, statuses: list[int]
) -> None:
    monkeypatch.setattr(clients, "IDLE_MOST_S", idle_most_s)
    with server(closing_in_the_second) as port:
        connection = ServiceConnection(Address("127.0.0.1", port), Tally())
        assert [connection.send(Request("PATCH", "/")).status for _ in statuses] == statuses
        connection.close()


def test_request_lost_on_a_new_connection_is_not_retried() -> None:
    with server(lambda connection, asked, sock: False) as port:
        report = after(3, port)
    assert (report.answered, report.repeated) == ({"0": 3}, [])


def test_read_is_retried_at_most_once() -> None:
    def play(connection: int, asked: int, sock: socket.socket) -> bool:
        if connection == 1 and asked == 1:
            sock.sendall(answer())
            return True
        return False

    with server(play) as port:
        report = after(2, port)
    assert report.answered == {"200": 1, "0": 1}
    assert len(report.repeated) == 1


def test_truncated_answer_is_not_retried() -> None:
    def play(connection: int, asked: int, sock: socket.socket) -> bool:
        sock.sendall(answer()[: None if asked == 1 else -2])
        return asked == 1

    with server(play) as port:
        report = after(4, port)
    assert (report.answered, report.repeated) == ({"200": 2, "0": 2}, [])


def test_a_refused_connection_is_a_failed_request() -> None:
    with server(answering(answer())) as port:
        pass
    report = after(2, port)
    assert report.answered == {"0": 2}
    assert "refused" in report.failures[0].reason


def test_a_report_survives_json() -> None:
    import dataclasses
    import json

    with server(answering(answer(503, "busy", "Retry-After: 1"))) as port:
        report = after(2, port)
    assert Report.of(json.loads(json.dumps(dataclasses.asdict(report)))) == report
