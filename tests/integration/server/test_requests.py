"""Parsing of requests: ambiguous ones are refused, valid ones are read correctly."""

import contextlib
import socket

import pytest

from tests.integration.server.serving import Connection, Server, eventually

CHUNKED = "4\r\nbody\r\n0\r\n\r\n"

AMBIGUOUS = {
    "length and coding": ("Content-Length: 4\r\nTransfer-Encoding: chunked", CHUNKED),
    "length and coding in lower case": ("content-length: 4\r\ntransfer-encoding: chunked", CHUNKED),
    "coding in upper case beside a length": ("CONTENT-LENGTH: 4\r\nTRANSFER-ENCODING: CHUNKED", CHUNKED),
    "blank before the colon": ("Transfer-Encoding : chunked", CHUNKED),
    "unknown coding": ("Transfer-Encoding: xchunked", CHUNKED),
    "gzip and chunked": ("Transfer-Encoding: gzip, chunked", CHUNKED),
    "chunked and identity": ("Transfer-Encoding: chunked, identity", CHUNKED),
    "two codings": ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", CHUNKED),
    "part of a coding": ("Transfer-Encoding: chunk", CHUNKED),
    "two lengths": ("Content-Length: 4\r\nContent-Length: 5", "body"),
    "length with a blank": ("Content-Length: 4 4", "body"),
    "signed length": ("Content-Length: +4", "body"),
    "length in hex": ("Content-Length: 0x4", "body"),
    "list of lengths": ("Content-Length: 4, 4", "body"),
    "folded line": ("X-A: b\r\n c: d\r\nContent-Length: 4", "body"),
    "NUL in a value": ("X-A: b\0c", ""),
    "bare CR": ("X-A: b\rTransfer-Encoding: chunked", CHUNKED),
    "no colon": ("X-A", ""),
    "comma in Host": ("Host: evil, test", ""),
    "second Host": ("Host: evil", ""),
    "bad chunk size": ("Transfer-Encoding: chunked", "4z\r\nbody\r\n0\r\n\r\n"),
    "chunk longer than its size": ("Transfer-Encoding: chunked", "3\r\nbody\r\n0\r\n\r\n"),
}


@pytest.mark.parametrize("case", AMBIGUOUS)
def test_an_ambiguous_request_is_refused_and_nothing_after_it_is_served(server: Server, case: str) -> None:
    headers, body = AMBIGUOUS[case]
    before = len(server.get("/started").json())
    connection = server.connect()
    connection.send(
        f"POST /environ HTTP/1.1\r\nHost: test\r\n{headers}\r\n\r\n{body}POST /echo HTTP/1.1\r\nHost: test\r\n\r\n"
    )
    answer = connection.rest()
    connection.close()
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 501"))
    assert answer.count(b"HTTP/1.1") == 1
    assert len(server.get("/started").json()) == before


def test_meinheld_refuses_bare_line_feeds(greenlets: Server) -> None:
    for text in ("GET /pid HTTP/1.1\nHost: test\n\n", "GET /pid HTTP/1.1\r\nHost: test\nX-A: b\r\n\r\n"):
        connection = greenlets.connect()
        connection.send(text)
        assert connection.rest().startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    "line", ["GEX /pid HTTP/1.1", "BREW /pid HTTP/1.1", "GET /pid HTTP/2.0", "GET /pid", "\x16\x03\x01"]
)
def test_malformed_request_line_is_refused(greenlets: Server, line: str) -> None:
    connection = greenlets.connect()
    connection.send(f"{line}\r\nHost: test\r\n\r\n")
    assert connection.rest().split()[1] in (b"400", b"501", b"505")


def test_a_chunked_body_is_read_with_its_trailers(connection: Connection) -> None:
    for coding in ("Transfer-Encoding: chunked", "transfer-encoding: Chunked"):
        connection.send(
            f"POST /echo HTTP/1.1\r\nHost: test\r\n{coding}\r\n\r\n4\r\nbody\r\n5;x=y\r\n-more\r\n0\r\nX-Sum: 1\r\n\r\n"
        )
        assert connection.response().json() == {"length": 9, "start": "body-more", "declared": "9"}
    assert connection.get("/pid").status == 200


def test_a_body_in_small_pieces_is_read_whole(connection: Connection) -> None:
    connection.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n")
    for piece in ("abc", "def", "ghij"):
        connection.send(piece)
    assert connection.response().json()["start"] == "abcdefghij"


def test_an_upgrade_is_ignored_and_the_next_client_is_served(server: Server) -> None:
    for upgrade in (
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
        "Upgrade: other\r\n",
    ):
        assert server.connect().get("/pid", upgrade).status == 200
        assert server.get("/pid").status == 200


def test_connect_method_is_refused_and_the_next_client_is_served(server: Server) -> None:
    connection = server.connect()
    connection.send("CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n")
    assert connection.response().status >= 400
    assert server.get("/pid").status == 200


def test_expect_100_continue_is_answered_before_the_body(connection: Connection) -> None:
    connection.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
    assert connection.response().status == 100
    connection.send("body")
    assert connection.response().json()["length"] == 4


def test_body_above_the_limit_gets_413(server: Server) -> None:
    for framing, body in (
        ("Content-Length: 3000000", b"x" * 3_000_000),
        ("Transfer-Encoding: chunked", b"2DC6C0\r\n" + b"x" * 3_000_000),
    ):
        connection = server.connect()
        connection.send(f"POST /echo HTTP/1.1\r\nHost: test\r\n{framing}\r\n\r\n")
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.send(body)
        response = connection.response()
        assert (response.status, response.json()["code"]) == (413, "body_too_large")


def test_a_body_at_the_limit_is_accepted(connection: Connection) -> None:
    assert connection.post("/echo", b"x" * 100_000).json()["length"] == 100_000


def test_headers_above_the_limit_are_refused_in_one_or_two_reads(server: Server) -> None:
    for first in (100, 8000, 8193, 9000):
        connection = server.connect()
        value = "x" * 12_000
        connection.send(f"GET /pid HTTP/1.1\r\nHost: test\r\nX-A: {value[:first]}")
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.send(f"{value[first:]}\r\n\r\n")
        assert connection.rest().split()[1] in (b"400", b"431")
        connection.close()
    assert server.get("/pid").status == 200


def test_environ_holds_what_was_sent(connection: Connection) -> None:
    environ = connection.get("/environ?a=%20b", "X-Forwarded_For: 1.2.3.4\r\nX-Value:  two  words \t\r\n").json()
    assert environ["QUERY_STRING"] == "a=%20b"
    assert environ["HTTP_X_VALUE"] == "two  words"
    assert environ["REMOTE_ADDR"] == "127.0.0.1"
    assert "HTTP_X_FORWARDED_FOR" not in environ


@pytest.mark.parametrize(("target", "path"), [("/%2561", "/%61"), ("http://host/x", "/x"), ("/a%2Fb", "/a/b")])
def test_paths_are_decoded_once(greenlets: Server, target: str, path: str) -> None:
    connection = greenlets.connect()
    connection.send(f"GET {target} HTTP/1.1\r\nHost: host\r\n\r\n")
    assert connection.response().json() == path


def test_remote_addr_is_that_of_each_client(greenlets: Server) -> None:
    assert greenlets.address is not None
    ours = Connection(socket.create_connection(greenlets.address, 10, source_address=("127.0.0.1", 0)))
    theirs = Connection(socket.create_connection(greenlets.address, 10, source_address=("127.0.0.77", 0)))
    theirs.get("/pid")
    assert ours.get("/address").json()[0] == "127.0.0.1"
    assert theirs.get("/address").json()[0] == "127.0.0.77"


def test_pipelined_requests_are_answered_in_order(connection: Connection) -> None:
    connection.send("".join(f"GET /raw?body={n} HTTP/1.1\r\nHost: test\r\n\r\n" for n in range(20)))
    assert [connection.response().body for _ in range(20)] == [str(n).encode() for n in range(20)]


def test_pipelined_bodies_are_not_mixed(connection: Connection) -> None:
    request = "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\n"
    connection.send(f"{request}one!{request}two!{request}tri!")
    assert [connection.response().json()["start"] for _ in range(3)] == ["one!", "two!", "tri!"]


def test_thousands_of_pipelined_requests_do_not_end_the_worker(greenlets: Server) -> None:
    before = greenlets.get("/pid").json()
    connection = greenlets.connect()
    connection.send("GET /pid HTTP/1.1\r\nHost: t\r\n\r\n" * 3000)
    assert connection.rest().startswith(b"HTTP/1.1 200")
    assert greenlets.get("/pid").json() == before


def test_a_good_request_is_served_before_the_bad_one_behind_it(greenlets: Server) -> None:
    connection = greenlets.connect()
    connection.send("GET /raw?body=good HTTP/1.1\r\nHost: test\r\n\r\n\0\0\0")
    assert connection.response().body == b"good"
    connection.rest()
    assert greenlets.get("/pid").status == 200


def test_worker_survives_clients_that_reset_their_connections(greenlets: Server) -> None:
    before = greenlets.get("/pid").json()
    for _ in range(50):
        for text in (
            "GET /sleep?s=0.2 HTTP/1.1\r\nHost: t\r\n\r\n",
            "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nx",
            "GET /ra",
        ):
            connection = greenlets.connect()
            connection.send(text)
            connection.reset()
    eventually(lambda: greenlets.get("/sleep?s=0.3").status == 200, "an answer")
    assert greenlets.get("/pid").json() == before
