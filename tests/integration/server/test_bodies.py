"""Request bodies: limits by method and path, checked at the headers, and a limit on all bodies together."""

from functools import partial
from pathlib import Path

import pytest

from tests.integration.server.serving import Connection, Server, eventually, serving

CHUNKED = "Transfer-Encoding: chunked\r\n"


def begin(server: Server, path: str, headers: str, body: str = "", method: str = "POST") -> Connection:
    connection = server.connect()
    connection.send(f"{method} {path} HTTP/1.1\r\nHost: test\r\n{headers}\r\n{body}")
    return connection


def length(size: int) -> str:
    return f"Content-Length: {size}\r\n"


@pytest.mark.parametrize("expect", ["", "Expect: 100-continue\r\n"])
@pytest.mark.parametrize(("method", "most"), [("POST", 10), ("PUT", 20), ("GET", 100_000)])
def test_body_above_the_limit_of_its_route_is_refused_at_its_headers(
    server: Server, method: str, most: int, expect: str
) -> None:
    refused = begin(server, "/small?x=y", length(most + 1) + expect, method=method).response()
    assert (refused.status, refused.json()["code"], refused.header("connection")) == (413, "body_too_large", "close")
    taken = begin(server, "/small?x=y", length(most) + expect, method=method)
    if expect:
        assert taken.response().status == 100
    taken.send("x" * most)
    assert taken.response().json() == "/small"


def test_body_limit_holds_for_escaped_and_absolute_targets(server: Server) -> None:
    for target in ("/%73mall", "http://test/small"):
        assert begin(server, target, length(11)).response().status == 413


def test_chunked_body_is_refused_once_it_exceeds_the_limit(server: Server) -> None:
    assert begin(server, "/small", CHUNKED, "a\r\n0123456789\r\n0\r\n\r\n").response().json() == "/small"
    assert begin(server, "/small", CHUNKED, "a\r\n0123456789\r\n1\r\nx\r\n0\r\n\r\n").response().status == 413


def test_memory_of_all_bodies_is_limited_and_released(worker: str, folder: Path) -> None:
    """A body reserves its length, a chunked one its limit; each end of the request releases it."""
    with serving(worker, folder, body_memory=1000, body_limit=600, body_timeout=20, threads=8) as server:

        def admitted(headers: str) -> Connection | None:
            connection = begin(server, "/echo", headers + "Expect: 100-continue\r\n")
            answer = connection.response()
            if answer.status == 100:
                return connection
            assert (answer.status, answer.json()["code"]) == (503, "unavailable")
            assert answer.header("retry-after") == "1"
            connection.close()
            return None

        for headers, all_of_it in ((length(600), "x" * 600), (CHUNKED, "1\r\nx\r\n0\r\n\r\n")):
            for ending in ("answer", "reset", "refusal"):
                under_way: Connection = eventually(partial(admitted, headers), "room again")
                assert admitted(length(401)) is None
                assert admitted(CHUNKED) is None
                assert begin(server, "/echo", length(400), "y" * 400).response().status == 200
                if ending == "answer":
                    under_way.send(all_of_it)
                    assert under_way.response().status == 200
                elif ending == "refusal" and headers == CHUNKED:
                    under_way.send(f"400\r\n{'x' * 1024}\r\n")
                    assert under_way.response().status == 413
                under_way.reset()


def test_large_bodies_leave_memory_to_small_ones(worker: str, folder: Path) -> None:
    with serving(worker, folder, body_memory=64_000, body_limit=60_000, body_timeout=20, threads=8) as server:
        large = begin(server, "/echo", length(60_000) + "Expect: 100-continue\r\n")
        assert large.response().status == 100
        assert begin(server, "/echo", length(8193)).response().status == 503
        assert begin(server, "/echo", length(4000), "y" * 4000).response().status == 200


def test_pipelined_bodies_release_their_memory(folder: Path) -> None:
    with serving("meinheld", folder, body_memory=1000, body_limit=600) as server:
        connection = server.connect()
        request = f"POST /echo HTTP/1.1\r\nHost: test\r\n{length(300)}\r\n{'x' * 300}"
        for _ in range(5):
            connection.send(request * 3)
            assert [connection.response().json()["length"] for _ in range(3)] == [300] * 3
        connection.send(f"GET /sleep?s=0.2 HTTP/1.1\r\nHost: test\r\n\r\n{request * 5}")
        assert [connection.response().status for _ in range(5)] == [200, 200, 200, 200, 503]


@pytest.mark.parametrize(("target", "told"), [("/environ", False), ("/envir%6Fn", True), ("/environ?a=%20", False)])
def test_environ_marks_an_escaped_path(server: Server, target: str, told: bool) -> None:
    assert ("jobfinder.escaped_path" in server.get(target).json()) is told
