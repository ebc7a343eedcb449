"""Limits on slow and idle clients."""

import resource
from pathlib import Path

from tests.integration.server.serving import Server, eventually, serving


def test_slow_headers_close_the_connection(server: Server) -> None:
    connection = server.connect()
    connection.send("GET /pid HTTP/1.1\r\nHost: test\r\nX-A: ")
    connection.sock.setblocking(False)
    sent = 0

    def cut_off() -> bool:
        nonlocal sent
        try:
            sent += connection.sock.send(b"a")
            return bool(connection.sock.recv(65536))
        except BlockingIOError:
            return False
        except OSError:
            return True

    eventually(cut_off, "the end of a connection that never stops sending")
    assert sent > 1


def test_slow_client_gets_408(server: Server) -> None:
    for text in ("GET /pid HTTP/1.1\r\nHost: te", "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n\r\nbody"):
        connection = server.connect()
        connection.send(text)
        response = connection.response()
        assert (response.status, response.json()["code"]) == (408, "request_timeout")
        assert connection.closed()


def test_connection_without_a_request_is_closed_silently(server: Server) -> None:
    assert server.connect().closed()


def test_slow_clients_do_not_block_the_others(greenlets: Server) -> None:
    slow = [greenlets.connect() for _ in range(200)]
    for connection in slow:
        connection.send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nab")
    assert greenlets.get("/pid").status == 200
    for connection in slow:
        connection.send("cde")
    assert all(connection.response().json()["start"] == "abcde" for connection in slow)


def test_an_idle_connection_ends_after_the_keep_alive_time(worker: str, folder: Path) -> None:
    with serving(worker, folder, keepalive=1) as server:
        connection = server.connect()
        assert connection.get("/pid").status == 200
        assert connection.closed()


def test_client_that_does_not_read_does_not_block_the_others(greenlets: Server) -> None:
    lazy = [greenlets.connect() for _ in range(5)]
    for connection in lazy:
        connection.send("GET /raw?big=5000000 HTTP/1.1\r\nHost: t\r\n\r\n")
    assert greenlets.get("/pid").status == 200
    for connection in lazy:
        assert len(connection.response().body) == 5_000_000


def test_client_that_does_not_read_gives_its_thread_back(folder: Path) -> None:
    with serving("gthread", folder, threads=1, body_timeout=1) as server:
        lazy = server.connect()
        lazy.send("GET /raw?big=50000000 HTTP/1.1\r\nHost: t\r\n\r\n")
        assert server.get("/pid").status == 200


def test_answers_for_clients_that_do_not_read_are_bounded(folder: Path) -> None:
    """Four of 8 MB are held; the next client that does not take its answer at once is disconnected."""
    request = "GET /raw?big=8000000 HTTP/1.1\r\nHost: t\r\n\r\n"
    with serving("meinheld", folder) as server:
        lazy = [server.connect() for _ in range(4)]
        for connection in lazy:
            connection.send(request)
            assert connection.sock.recv(1)
        late = server.connect()
        late.send(request)
        assert 0 < len(late.rest()) < 8_000_000
        for connection in lazy:
            connection.reset()
        eventually(lambda: is_whole(server, request), "room for an answer")


def is_whole(server: Server, request: str) -> bool:
    connection = server.connect()
    connection.send(request)
    try:
        return len(connection.response().body) == 8_000_000
    except ConnectionError:
        return False


def test_connections_beyond_the_descriptors_wait_and_are_served(folder: Path) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with serving("meinheld", folder) as server:
        (pid,) = server.workers()
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (60, hard))
        opened = [server.connect() for _ in range(100)]
        served = [connection for connection in opened[:20] if connection.get("/pid").status == 200]
        for connection in opened:
            if connection not in served:
                connection.send("GET /pid HTTP/1.1\r\nHost: t\r\n\r\n")
        for connection in served:
            connection.close()
        answered = 0
        for connection in opened[20:]:
            answered += connection.response().json() == pid
            connection.close()
        assert answered == 80
