"""Framing of responses: the body has the length that the head declares."""

import pytest

from tests.integration.server.serving import Connection, Server, eventually


def reusable(connection: Connection) -> bool:
    """Whether the next response on the connection is complete and correct."""
    return connection.get("/raw?body=next").body == b"next"


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_bodiless_statuses_have_neither_body_nor_length(connection: Connection, status: str) -> None:
    response = connection.get(f"/raw?status={status.replace(' ', '+')}&body=unwanted&length=8")
    assert response.status == int(status[:3])
    assert response.header("content-length") is None
    assert response.header("transfer-encoding") is None
    assert reusable(connection)


def test_head_has_the_length_of_get_and_no_body(connection: Connection) -> None:
    assert connection.get("/raw?body=12345", method="HEAD").header("content-length") == "5"
    assert reusable(connection)


def test_a_missing_length_is_computed(connection: Connection) -> None:
    response = connection.get("/raw?body=12345")
    assert (response.header("content-length"), response.body) == ("5", b"12345")


@pytest.mark.parametrize("length", ["3", "9"])
def test_wrong_length_of_a_list_is_corrected(connection: Connection, length: str) -> None:
    response = connection.get(f"/raw?body=12345&length={length}")
    assert (response.header("content-length"), response.body) == ("5", b"12345")
    assert reusable(connection)


def test_an_empty_body_has_length_zero(connection: Connection) -> None:
    assert connection.get("/raw").header("content-length") == "0"
    assert reusable(connection)


def test_empty_parts_do_not_end_a_streamed_body(connection: Connection) -> None:
    assert connection.get("/raw?body=part&stream=1").body == b"partpart"
    assert reusable(connection)


def test_a_streamed_body_is_cut_at_its_length(connection: Connection) -> None:
    assert connection.get("/raw?body=part&stream=1&length=6").body == b"partpa"
    assert reusable(connection)


def test_a_streamed_body_that_is_too_short_closes_the_connection(connection: Connection) -> None:
    connection.send("GET /raw?body=part&stream=1&length=20 HTTP/1.1\r\nHost: test\r\n\r\n")
    assert connection.rest().endswith(b"partpart")


def test_http_1_0_gets_a_length_for_a_streamed_body(connection: Connection) -> None:
    connection.send("GET /raw?body=part&stream=1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert connection.response().header("content-length") == "8"


def test_kept_connection_is_announced_to_http_1_0_alone(greenlets: Server) -> None:
    """HTTP/1.1 implies it (RFC 9112, 9.3)."""
    connection = greenlets.connect()
    assert connection.get("/pid").header("connection") is None
    connection.send("GET /pid HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert connection.response().header("connection") == "Keep-Alive"
    assert connection.get("/pid", "Connection: close\r\n").header("connection") == "close"


def test_streams_are_closed(server: Server) -> None:
    before = server.get("/closed").json()
    server.get("/raw?body=part&stream=1")
    eventually(lambda: server.get("/closed").json() == before + 1, "the end of the stream")


def test_large_second_response_arrives_whole(connection: Connection) -> None:
    connection.get("/pid")
    assert len(connection.get("/raw?big=20000000").body) == 20_000_000
    assert reusable(connection)


@pytest.mark.parametrize("header", ["X-A=b%0d%0aX-C:d", "X-A=%E2%82%AC", "X-A=b%00"])
def test_a_header_that_would_split_the_response_is_an_error(connection: Connection, header: str) -> None:
    connection.send(f"GET /raw?body=x&header={header} HTTP/1.1\r\nHost: test\r\n\r\n")
    answer = connection.rest()
    assert answer.startswith(b"HTTP/1.1 500")
    assert b"X-C" not in answer


def test_exception_becomes_a_problem_document(server: Server) -> None:
    for path in ("/fail", "/leave"):
        response = server.get(path)
        assert (response.status, response.header("content-type")) == (500, "application/problem+json")
        assert response.json()["code"] == "internal"


@pytest.mark.parametrize("wrong", ["header=X-A=%E2%82%AC", "header=X-A=a%0Ab", "status=OK", "length=x"])
def test_a_body_whose_head_cannot_be_sent_is_closed(server: Server, wrong: str) -> None:
    before = server.get("/closed").json()
    assert server.get(f"/raw?stream=1&{wrong}").status == 500
    assert server.get("/closed").json() == before + 1


def test_a_response_may_have_many_headers(connection: Connection) -> None:
    response = connection.get("/raw?body=12345&headers=2000")
    assert len([name for name, _ in response.headers if name.startswith("x-")]) == 2000
    assert response.body == b"12345"
    assert reusable(connection)
