"""Kept answers on the wire: requests in pieces, slow readers, many tokens at once, and what is counted."""

import itertools
import random
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.integration.server.kept import Client, KeepingServer, LoggingServer
from tests.integration.server.kept_app import BUCKET, FACT, ROUTE, SUM
from tests.integration.server.serving import Server, eventually

A = "Authorization: a\r\n"
LONG = f"User-Agent: {'x' * 250}\r\n"
"""A read then holds fewer requests than may be pipelined."""
TOKENS, CONNECTIONS = 1000, 32


@pytest.fixture(scope="module")
def keeping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with KeepingServer("meinheld", tmp_path_factory.mktemp("kept")) as server:
        yield server


@pytest.fixture
def client(keeping: Server) -> Iterator[Client]:
    opened = Client(keeping)
    yield opened
    opened.close()


def request(path: str, headers: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: test\r\n{headers}\r\n".encode()


def test_request_may_be_cut_at_every_byte(client: Client) -> None:
    """The first part comes with a whole request, so that it is certainly read alone."""
    number, whole = client.keep("/page", A), request("/page", A)
    for cut in range(len(whole)):
        client.connection.send(whole + whole[:cut])
        assert client.connection.response().json()["made"] == number
        client.connection.send(whole[cut:])
        assert client.connection.response().json()["path"] == "/page"


def test_end_in_the_segment_of_a_request_closes_the_connection(client: Client) -> None:
    """The kernel tells of both once."""
    number, sock = client.keep("/page"), client.connection.sock
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    client.connection.send(request("/page"))
    sock.shutdown(socket.SHUT_WR)
    assert client.connection.response().json()["made"] == number
    assert client.connection.closed()


def test_requests_beyond_one_read_are_answered(client: Client) -> None:
    """The kernel tells once of all that has arrived; requests that are cut by the end of a read are not kept ones."""
    client.keep("/page", LONG)
    client.connection.send(request("/page", LONG) * 300)
    assert all(client.connection.response().json()["path"] == "/page" for _ in range(300))


def test_rest_of_a_read_goes_to_the_application_unchanged(client: Client) -> None:
    """Kept answers, one that is made, and kept ones behind it, in one read."""
    number = client.keep("/page")
    other = b"POST /none HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\nab"
    client.connection.send(request("/page") * 3 + other + request("/page"))
    answers = [client.connection.response().json() for _ in range(5)]
    assert [each["made"] for each in answers[:3]] == [number] * 3
    assert [each["path"] for each in answers] == ["/page"] * 3 + ["/none", "/page"]


@pytest.mark.parametrize("size", [1, 700, 5_000, 70_000])
def test_slow_reader_gets_every_answer_whole_and_in_order(client: Client, size: int) -> None:
    """More answers than the buffers of both sides hold, each with an id of its own."""
    client.keep("/page", size=size)
    slow, count = client.open(16_384), 10 * (2_000_000 // (size + 400))
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(slow.send, b"".join(request("/page", f"{LONG}X-Request-ID: r{n}\r\n") for n in range(count)))
        eventually(lambda: client.stat("given") > 100, "answers")
        for number in range(count):
            response = slow.response()
            assert (response.status, response.header("x-request-id")) == (200, f"r{number}")
            assert len(response.json()["filling"]) == size
        sent.result()
    slow.close()


def test_large_and_small_answers_of_one_read_come_in_order(client: Client) -> None:
    sizes = {"/page": 5_000, "/small": 10, "/larger": 40_000}
    for path, size in sizes.items():
        client.keep(path, size=size)
    given, connection = client.stat("given"), client.open()
    for order in itertools.product(sizes, repeat=4):
        connection.send(b"".join(map(request, order)))
        assert [len(connection.response().json()["filling"]) for _ in order] == [sizes[path] for path in order]
    assert client.stat("given") >= given + 4 * 81 - 10  # a read may end within a request
    connection.close()


def test_reader_that_leaves_harms_nobody(client: Client) -> None:
    number = client.keep("/page", size=200_000)
    leaving = [client.open() for _ in range(5)]
    for each in leaving:
        each.send(request("/page") * 20)
    eventually(lambda: client.stat("given") > 5, "answers")
    for each in leaving:
        each.reset()
    assert client.made("/page") == number


def test_time_limits_count_from_the_last_kept_answer(tmp_path: Path) -> None:
    """That of an idle connection, and that of the headers of the next request."""
    with KeepingServer("meinheld", tmp_path, keepalive=1, header_timeout=1) as server:
        client = Client(server)
        number = client.keep("/page")
        for _ in range(4):
            pause_end = time.monotonic() + 0.4
            eventually(lambda end=pause_end: time.monotonic() > end, "the end of a pause")  # type: ignore[misc]
            assert client.made("/page") == number
        other = client.open()
        other.send(request("/page") + b"GET /pa")
        assert [other.response().status for _ in range(2)] == [200, 408]
        assert client.connection.closed()


def test_worker_is_replaced_after_as_many_kept_answers_as_requests(tmp_path: Path) -> None:
    with KeepingServer("meinheld", tmp_path, max_requests=200, max_requests_jitter=0) as server:
        client, (before,) = Client(server), server.workers()
        number = client.keep("/page")
        assert [client.made("/page") for _ in range(150)] == [number] * 150
        with suppress(ConnectionError):
            for _ in range(100):
                client.ask("/page")
        eventually(lambda: server.workers() not in ([], [before]), "another worker")


def test_connection_that_gets_kept_answers_is_closed_when_the_service_stops(tmp_path: Path) -> None:
    """Long before the time for open requests has passed, and after a whole answer."""
    with KeepingServer("meinheld", tmp_path, graceful_timeout=600) as server:
        client = Client(server)
        client.keep("/page")
        server.signal(signal.SIGTERM)
        statuses = set()
        with suppress(ConnectionError):
            while True:
                statuses.add(client.ask("/page").status)
        assert statuses <= {200}
        assert server.wait() == 0


def test_connection_ends_with_its_first_answer_where_none_is_kept_alive(tmp_path: Path) -> None:
    """So no answer is given from what is kept: the first request of a connection is left to the application."""
    with KeepingServer("meinheld", tmp_path, keepalive=0) as server:
        for _ in range(5):
            connection = server.connect()
            response = connection.get("/page")
            assert (response.status, response.header("connection"), connection.closed()) == (200, "close", True)


def warm(client: Client, tokens: int, *paths: str) -> None:
    """Ask for each page with each token as often as it takes to keep the answer."""
    for token in range(tokens):
        for path in paths or ("/own",):
            for _ in range(2):
                client.ask(path, f"{LONG}Authorization: token {token}\r\n")


def test_many_tokens_never_get_the_answers_of_others(client: Client) -> None:
    """1,000 tokens, pipelined and mixed on 32 connections at once; own pages and those for everybody."""
    client.do(["page", "/own", {"for_all": False}], ["page", "/all", {"for_all": True}])
    warm(client, TOKENS, "/own", "/all")
    before = client.stat("given")
    connections = [client.open() for _ in range(CONNECTIONS)]

    def converse(seed: int) -> None:
        chance, connection = random.Random(seed), connections[seed]
        for _ in range(10):
            asked = [(chance.randrange(TOKENS), chance.choice(("/own", "/own", "/all"))) for _ in range(32)]
            connection.send(b"".join(request(path, f"{LONG}Authorization: token {token}\r\n") for token, path in asked))
            for token, path in asked:
                found = connection.response().json()
                assert (found["path"], found.get("token", f"token {token}")) == (path, f"token {token}")
        connection.close()

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(converse, range(CONNECTIONS)))
    assert client.stat("given") > before + 8000


def test_memory_stays_within_the_bound(client: Client) -> None:
    client.do(["bound", 1_000_000], ["page", "/own", {"for_all": False, "size": 1000}])
    warm(client, 600)
    (stats,) = client.do(["stats"])
    assert 700_000 < stats["bytes"] <= 1_000_000
    assert stats["evicted"] > 100


def test_forgotten_answers_are_freed_some_at_each_look(client: Client) -> None:
    """A step frees only a few, so that no request waits for all of them; nor does it give all memory back at once."""
    client.do(["page", "/own", {"for_all": False, "keys": ["popular"]}])
    warm(client, TOKENS)
    before = client.stat("entries")
    assert before >= 2 * TOKENS
    client.do(["looked", 2, ["popular"]])
    assert before - 2000 < client.stat("entries") < before
    assert len({client.made("/own", f"{LONG}Authorization: token 7\r\n") for _ in range(2)}) == 2
    for _ in range(10):
        client.do(["looked", 2, []])
    assert client.stat("entries") < 10
    assert client.do(["gives_back"]) == [False]


def test_kept_answers_are_counted_like_those_that_are_made(client: Client) -> None:
    client.keep("/page")
    (before,) = client.do(["counted"])
    for _ in range(50):
        client.made("/page")
    (after,) = client.do(["counted"])
    more = [now - then for now, then in zip(after, before, strict=True)]
    assert (more[ROUTE + 1], more[FACT]) == (50, 150)
    assert sum(more[ROUTE + BUCKET : ROUTE + BUCKET + 3]) == 50
    assert 0 < more[ROUTE + SUM] < 5
    assert sum(1 for each in more if each) <= 5


def test_request_that_is_logged_goes_to_the_application(tmp_path_factory: pytest.TempPathFactory) -> None:
    with LoggingServer("meinheld", tmp_path_factory.mktemp("logging")) as server:
        client = Client(server)
        client.do(["page", "/page", {}])
        answers = [client.ask("/page").json() for _ in range(6)]
        assert len({each["made"] for each in answers}) == 6
        assert [each["sampled"] for each in answers[2:]] == [True] * 4
        client.close()


def test_random_changes_never_let_an_old_answer_be_given(client: Client) -> None:
    """The application shows the versions of the keys that a page rests on; each change is followed by its look."""
    chance, position, versions = random.Random(7), 1, dict.fromkeys("abcdef", 0)
    pages: dict[str, Any] = {f"/{n}": chance.sample("abcdef", chance.randint(0, 3)) for n in range(12)}
    (shown,) = client.do(["shown"])
    versions |= {key: shown.get(key, 0) for key in versions}

    def describe() -> list[list[Any]]:
        how = {"position": position, "for_all": True}
        return [["page", path, {**how, "keys": keys, "size": chance.randrange(200)}] for path, keys in pages.items()]

    client.do(*describe())
    for _ in range(400):
        key = chance.choice("abcdef")
        what = chance.random()
        if what < 0.25:
            position, versions[key] = position + 1, versions[key] + 1
            client.do(["change", key], ["looked", position, [key]], *describe())
        elif what < 0.3:
            client.do(chance.choice((["forget", None], ["forget", [key]], ["bound", 20_000], ["bound", 16_777_216])))
        asked = [(chance.choice(list(pages)), chance.randrange(6)) for _ in range(chance.randint(1, 9))]
        client.connection.send(b"".join(request(path, f"Authorization: t{token}\r\n") for path, token in asked))
        for path, _ in asked:
            found = client.connection.response().json()
            assert (found["path"], found["versions"]) == (path, {key: versions[key] for key in pages[path]})
    assert client.stat("given") > 300
