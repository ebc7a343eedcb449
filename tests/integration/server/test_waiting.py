"""Waits inside requests: they end on time, use no processor time and do not block other requests."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.infra import cooperative
from tests.integration.server.serving import Server, eventually


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that accepts connections and sends nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def memcache() -> Iterator[int]:
    """The port of a server that answers every line with the value `value`, at every address of `localhost`."""
    listeners = [socket.create_server(("127.0.0.1", 0))]
    port = listeners[0].getsockname()[1]
    if "::1" in cooperative.resolve("localhost", port):
        listeners.append(socket.create_server(("::1", port), family=socket.AF_INET6))

    def answer(client: socket.socket) -> None:
        with client:
            while client.recv(4096):
                client.sendall(b"VALUE key 0 5\r\nvalue\r\nEND\r\n")

    def accept(listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(client,), daemon=True).start()

    for each in listeners:
        threading.Thread(target=accept, args=(each,), daemon=True).start()
    yield port
    for each in listeners:
        each.shutdown(socket.SHUT_RDWR)
        each.close()


def together(*calls: Callable[[], object]) -> list[object]:
    with ThreadPoolExecutor(len(calls)) as pool:
        return [each.result() for each in [pool.submit(call) for call in calls]]


def test_a_wait_below_a_second_expires(server: Server) -> None:
    assert server.get("/wait?s=0.05").json()["timeout"] is True


def test_a_wait_costs_no_processor_time(server: Server) -> None:
    assert server.get("/wait?s=1").json()["cpu"] < 0.3


def test_read_and_write_waits_wake_without_spinning(server: Server) -> None:
    assert server.get("/ping-pong").json()["cpu"] < 0.3


def test_other_requests_are_served_during_a_wait(greenlets: Server) -> None:
    waiting = greenlets.connect()
    waiting.send("GET /gate?s=20 HTTP/1.1\r\nHost: t\r\n\r\n")
    eventually(lambda: "gate" in greenlets.get("/started").json(), "the waiting request")
    greenlets.get("/open?thread=1")
    assert waiting.response().json() is True


def test_context_variables_end_with_their_request(greenlets: Server) -> None:
    connection = greenlets.connect()
    for value in ("one", "two", "three"):
        assert connection.get(f"/remember?value={value}").json() == ["nothing", value]


def test_short_waits_end_before_long_ones(greenlets: Server) -> None:
    ended: list[str] = []

    def sleep(seconds: str) -> None:
        greenlets.get(f"/sleep?s={seconds}")
        ended.append(seconds)

    together(lambda: sleep("0.9"), lambda: sleep("0.1"), lambda: sleep("0.5"))
    assert ended == ["0.1", "0.5", "0.9"]


def test_a_descriptor_has_one_waiter_at_a_time(greenlets: Server) -> None:
    fd = greenlets.get("/silent").json()
    outcomes = together(
        lambda: greenlets.get(f"/second?fd={fd}").json(), lambda: greenlets.get(f"/second?fd={fd}").json()
    )
    assert sorted(map(str, outcomes)) == ["RuntimeError", "TimeoutError"]


def test_waiting_for_an_invalid_descriptor_is_an_error(greenlets: Server) -> None:
    assert greenlets.get("/second?fd=-1").json() == "ValueError"
    assert greenlets.get("/second?fd=999").json() == "OSError"


def test_event_wakes_every_waiting_request(greenlets: Server) -> None:
    connections = [greenlets.connect() for _ in range(100)]
    for connection in connections:
        connection.send("GET /gate?s=20 HTTP/1.1\r\nHost: t\r\n\r\n")
    greenlets.get("/open")
    assert all(connection.response().json() is True for connection in connections)


def test_executor_runs_at_low_priority_and_refuses_when_its_queue_is_full(greenlets: Server) -> None:
    outcomes = together(*[lambda: greenlets.get("/work?s=0.4").json()] * 6)
    assert outcomes.count("QueueFull") == 2
    assert outcomes.count(min(10, 19 - os.getpriority(os.PRIO_PROCESS, 0))) == 4


def test_executor_call_times_out(greenlets: Server) -> None:
    assert greenlets.get("/work?s=0.6&timeout=0.1").json() == "TimeoutError"


def test_plain_threads_of_a_worker_can_wait(server: Server) -> None:
    assert server.get("/thread").json() == [True, "timeout", "readable", "False"]


def test_silent_database_times_out(server: Server, silent: int) -> None:
    assert server.get(f"/query?s=0.2&port={silent}").json() == "TimeoutError"


def test_silent_cache_times_out(server: Server, silent: int) -> None:
    assert server.get(f"/cache?s=0.2&port={silent}").json() == "TimeoutError"


def test_a_cache_is_read(server: Server, memcache: int) -> None:
    assert server.get(f"/cache?s=5&port={memcache}").json() == "value"
    assert server.get(f"/cache?s=5&port={memcache}&host=localhost").json() == "value"


def test_refused_connection_raises(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert server.get(f"/cache?s=5&port={port}").json() == "ConnectionRefusedError"


def test_a_hundred_silent_peers_do_not_block_a_request(greenlets: Server, silent: int) -> None:
    connections = [greenlets.connect() for _ in range(100)]
    for connection in connections:
        connection.send(f"GET /cache?s=2&port={silent} HTTP/1.1\r\nHost: t\r\n\r\n")
    assert greenlets.get("/pid").status == 200
    assert all(connection.response().json() == "TimeoutError" for connection in connections)


def test_a_greenlet_inside_a_request_cannot_wait(greenlets: Server) -> None:
    assert greenlets.get("/nested").json() == "only a request greenlet can wait"
    assert greenlets.get("/sleep?s=0.02").status == 200
