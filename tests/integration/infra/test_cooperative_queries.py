"""psycopg2 waits cooperatively for a real PostgreSQL, under both worker classes."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import psycopg2
import pytest

from app.local.postgres import Postgres
from tests.integration.server.serving import Server, eventually, serving

ACTIVE = """
SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE %s AND pid != pg_backend_pid()
"""


@pytest.fixture(scope="module", params=["meinheld", "gthread"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(request.param, tmp_path_factory.mktemp("queries")) as running:
        yield running


def execute(server: Server, postgres: Postgres, sql: str, limit_s: float = 20) -> Any:
    """`[result or error, whether the connection is closed]`."""
    return server.get("/statement?" + urlencode({"dsn": postgres.direct_url, "sql": sql, "s": limit_s})).json()


def test_a_statement_is_answered(server: Server, postgres: Postgres) -> None:
    assert execute(server, postgres, "SELECT 6 * 7") == ["(42,)", False]


def test_a_large_result_is_read_whole(server: Server, postgres: Postgres) -> None:
    assert execute(server, postgres, "SELECT length(repeat('x', 5000000)), repeat('x', 5000000)")[0].startswith(
        "(5000000,"
    )


def test_sql_error_keeps_the_connection(server: Server, postgres: Postgres) -> None:
    assert execute(server, postgres, "SELECT 1 / 0") == ["DivisionByZero", False]


def test_statement_timeout_closes_its_connection(server: Server, postgres: Postgres) -> None:
    assert execute(server, postgres, "SELECT pg_sleep(5)", limit_s=0.2) == ["TimeoutError", True]


def test_connection_ended_by_the_server_raises(server: Server, postgres: Postgres) -> None:
    name, closed = execute(server, postgres, "SELECT pg_terminate_backend(pg_backend_pid())")
    assert name in ("AdminShutdown", "OperationalError")
    assert closed


def test_statements_of_one_worker_run_at_the_same_time(server: Server, postgres: Postgres) -> None:
    sql = "SELECT count(*) FROM pg_sleep(0.5), pg_stat_activity WHERE state = 'active' AND query LIKE '%together%'"
    with ThreadPoolExecutor(5) as pool:

        def all_at_once() -> bool:
            return any(int(row[0][1:-2]) >= 5 for row in pool.map(lambda _: execute(server, postgres, sql), range(5)))

        assert eventually(all_at_once, "five statements at once")


@pytest.mark.parametrize("limit_ms", [0, 300])
def test_query_of_a_closed_client_ends_before_its_connection_is_reused(
    server: Server, postgres: Postgres, limit_ms: int
) -> None:
    """The query ends or hits `statement_timeout`; the next query on the connection gets its own result."""
    mark = f"gone {server.worker} {limit_ms}"
    dsn = f"{postgres.direct_url}&options=-cstatement_timeout%3D{limit_ms}"

    def path(sql: str) -> str:
        return "/pooled?" + urlencode({"dsn": dsn, "sql": sql})

    with psycopg2.connect(postgres.direct_url) as watching, watching.cursor() as cursor:

        def active() -> int:
            cursor.execute(ACTIVE, (f"%{mark}%",))
            (count,) = cursor.fetchone() or (0,)
            watching.rollback()
            return int(count)

        client = server.connect()
        client.send(f"GET {path(f'SELECT pg_sleep(1), {mark!r}')} HTTP/1.1\r\nHost: test\r\n\r\n")
        assert eventually(lambda: active() == 1, "the query runs")
        client.close()
        assert server.get(path("SELECT 'mine'")).json() == "('mine',)"
        assert active() == 0
