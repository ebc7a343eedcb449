"""psycopg2 waits cooperatively for a real PostgreSQL, under both worker classes."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import pytest

from app.local.postgres import Postgres
from tests.integration.server.serving import Server, eventually, serving


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


def test_an_error_of_the_server_keeps_the_connection(server: Server, postgres: Postgres) -> None:
    assert execute(server, postgres, "SELECT 1 / 0") == ["DivisionByZero", False]


def test_a_statement_that_takes_too_long_is_given_up_with_its_connection(server: Server, postgres: Postgres) -> None:
    assert execute(server, postgres, "SELECT pg_sleep(5)", limit_s=0.2) == ["TimeoutError", True]


def test_a_connection_that_the_server_ends_is_told(server: Server, postgres: Postgres) -> None:
    name, closed = execute(server, postgres, "SELECT pg_terminate_backend(pg_backend_pid())")
    assert name in ("AdminShutdown", "OperationalError")
    assert closed


def test_statements_of_one_worker_run_at_the_same_time(server: Server, postgres: Postgres) -> None:
    sql = "SELECT count(*) FROM pg_sleep(0.5), pg_stat_activity WHERE state = 'active' AND query LIKE '%together%'"
    with ThreadPoolExecutor(5) as pool:

        def all_at_once() -> bool:
            return any(int(row[0][1:-2]) >= 5 for row in pool.map(lambda _: execute(server, postgres, sql), range(5)))

        assert eventually(all_at_once, "five statements at once")
