"""A thousand concurrent cache misses of one key cost PostgreSQL one query."""

import resource
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
import pytest

from app.local.memcached import Memcached
from tests.integration.finality.harness.clients import ME, client_of
from tests.integration.finality.harness.people import Session
from tests.pods.connections import LIVE, Request
from tests.pods.pod import KINDS, Pod, Shared

MISSES = 1000
PATIENT = """
import os, sys, app.__main__, app.coherence
os.environ["MEMCACHED_TIMEOUT_MS"] = "60000"
app.coherence.log.lease.JOIN_LIMIT_S = app.coherence.facts.flights.JOIN_LIMIT_S = 60.0
sys.exit(app.__main__.main(["serve"]))
"""


@pytest.fixture(params=KINDS)
def pod(request: pytest.FixtureRequest, shared: Shared, cache_servers: list[Memcached]) -> Iterator[Pod]:
    """A single worker whose PostgreSQL sessions log every statement.

    Its timeouts are raised for busy machines: a worker that cannot read the log must not use its cache and would
    query PostgreSQL a second time.
    """
    for each in cache_servers:
        each.start()
    log_statements(shared, "all")
    serve = (sys.executable, "-c", PATIENT)
    with Pod("missing", shared, cache_servers[:2], kind=request.param, workers=1, serve=serve) as pod:
        yield pod
    log_statements(shared, "none")


def test_a_thousand_misses_of_one_user_make_one_query(pod: Pod, shared: Shared, cache_servers: list[Memcached]) -> None:
    with client_of([pod]) as reader, client_of([pod]) as subject:
        session = reader.log_in()
        forget(pod, cache_servers)
        with statements(shared) as logged:
            answers = ask_at_once(pod, shared, session, f"/api/v1/users/{subject.person.id}")
    assert answers == [b"200"] * MISSES
    assert sum("find_user_" in each for each in logged) == 1
    assert sum("find_session_" in each for each in logged) == 1


def test_a_thousand_misses_of_one_session_make_one_query(
    pod: Pod, shared: Shared, cache_servers: list[Memcached]
) -> None:
    with client_of([pod]) as reader:
        session = reader.log_in()
        forget(pod, cache_servers)
        with statements(shared) as logged:
            answers = ask_at_once(pod, shared, session, ME)
    assert answers == [b"200"] * MISSES
    assert sum("find_session_" in each or "find_user_" in each for each in logged) == 1


def forget(pod: Pod, cache_servers: list[Memcached]) -> None:
    """Invalidate the worker's cache by restarting the log; a login makes the database record the new counter."""
    cache_servers[0].restart()
    with client_of([pod]) as somebody_else:
        assert somebody_else.statuses(somebody_else.log_in()) == {200}


def ask_at_once(pod: Pod, shared: Shared, session: Session, path: str) -> list[bytes]:
    """The statuses of concurrent requests; PgBouncer is paused until all are sent."""
    raise_descriptor_limit(MISSES + 500)
    lines = (f"GET {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {session.token}", "Connection: close")
    request = "\r\n".join((*lines, "", "")).encode()
    with paused(pod, shared):
        asking = [socket.create_connection(("127.0.0.1", pod.port), timeout=60) for _ in range(MISSES)]
        for each in asking:
            each.sendall(request)
        if pod.kind == "meinheld":
            assert pod.ask(Request("GET", LIVE)).status == 200
    return [_status(each) for each in asking]


@contextmanager
def paused(pod: Pod, shared: Shared) -> Iterator[None]:
    """Pause PgBouncer, which holds all queries until the end of the block."""
    console = psycopg2.connect(pod.pgbouncer.console_url)
    console.autocommit = True
    with console.cursor() as cursor:
        cursor.execute(f"PAUSE {shared.database}")
        try:
            yield
        finally:
            cursor.execute(f"RESUME {shared.database}")
    console.close()


@contextmanager
def statements(shared: Shared) -> Iterator[list[str]]:
    """The lines of PostgreSQL's log about statements in the block; filled when it ends."""
    found: list[str] = []
    start = shared.postgres.log.stat().st_size
    yield found
    with shared.postgres.log.open() as log:
        log.seek(start)
        found += [line for line in log if "statement: " in line]


def log_statements(shared: Shared, which: str) -> None:
    """Set `log_statement` for new sessions."""
    connection = psycopg2.connect(shared.postgres.url("postgres", "postgres"))
    connection.autocommit = True
    connection.cursor().execute(f"ALTER DATABASE {shared.database} SET log_statement = '{which}'")
    connection.close()


def raise_descriptor_limit(least: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < least:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(least, hard), hard))


def _status(connection: socket.socket) -> bytes:
    with connection, connection.makefile("rb") as answer:
        return answer.read().split(b" ", 2)[1]
