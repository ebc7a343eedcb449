"""The local PostgreSQL, PgBouncer and memcached, as the service and the other tests need them."""

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg2
import pytest

from app.local import postgres as postgres_module
from app.local.account import server_account
from app.local.memcached import Memcached
from app.local.pgbouncer import PgBouncer
from app.local.postgres import Postgres
from app.local.process import LocalError, becomes_true
from tests.sql import ask

PREPARE = "PREPARE next_number (int) AS\nSELECT $1 + 1, 'it''s'"


@pytest.fixture(scope="module")
def own(open_folder: Path) -> Iterator[Postgres]:
    """A PostgreSQL that these tests may kill."""
    with Postgres(open_folder / "own", durable=False, tcp=True) as server:
        yield server


def test_postgres_is_18_with_the_extensions_of_the_schema(own: Postgres) -> None:
    ask(own.direct_url, "CREATE EXTENSION citext; CREATE EXTENSION pg_trgm; CREATE EXTENSION unaccent")
    assert ask(own.direct_url, "SELECT 'ÄÖ@x'::citext = 'äö@X', unaccent('é'), similarity('abc', 'abc')") == [
        (True, "e", 1.0)
    ]
    assert ask(own.direct_url, "SELECT current_setting('server_version_num')::int / 10000") == [(18,)]


def test_postgres_accepts_only_the_service_role_on_loopback(own: Postgres) -> None:
    assert ask(own.tcp_url, "SELECT current_user::text, inet_server_addr()::text") == [("jobfinder", "127.0.0.1/32")]
    with pytest.raises(psycopg2.OperationalError, match="no pg_hba"):
        ask(own.tcp_url.replace("jobfinder@", "postgres@"), "SELECT 1")


def test_postgres_keeps_its_data_and_its_address_when_it_is_killed(own: Postgres) -> None:
    url = own.direct_url
    ask(url, "CREATE TABLE kept AS SELECT 7 AS n")
    own.kill()
    with pytest.raises(psycopg2.OperationalError):
        ask(url, "SELECT 1")
    own.start()
    assert ask(url, "SELECT n FROM kept") == [(7,)]


def test_postgres_starts_despite_a_stale_lock(own: Postgres) -> None:
    own.stop()
    (own.data / "postmaster.pid").write_text(f"{os.getpid()}\n{own.data}\n0\n5432\n/nowhere\n\n  0 0\nready\n")
    own.start()
    assert ask(own.direct_url, "SELECT 1") == [(1,)]


def test_a_second_postgres_on_the_same_data_is_refused(own: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_module, "SHUTDOWN_S", 0.1)
    assert own.process
    with pytest.raises(LocalError, match=f"stop it with: kill -INT {own.process.pid}"), Postgres(own.data):
        pass
    assert ask(own.direct_url, "SELECT 1") == [(1,)]


def test_paused_postgres_continues_its_sessions(own: Postgres) -> None:
    connection = psycopg2.connect(own.direct_url)
    own.pause()
    with pytest.raises(psycopg2.OperationalError, match="timeout"):
        psycopg2.connect(own.direct_url, connect_timeout=2)
    own.resume()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchall() == [(1,)]
    connection.close()


def test_data_are_kept_elsewhere_if_the_account_cannot_enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if server_account() is None:
        pytest.skip("only root has folders that the servers' account cannot enter")
    elsewhere = Path("/var/tmp/jobfinder-elsewhere")  # noqa: S108 - must be open to all
    monkeypatch.setattr(postgres_module, "_ELSEWHERE", elsewhere)
    tmp_path.chmod(0o700)
    try:
        for _ in range(2):
            with Postgres(tmp_path / "postgres", durable=False) as server:
                assert (tmp_path / "postgres").is_symlink()
                assert ask(server.direct_url, "SELECT 1") == [(1,)]
                assert list(elsewhere.iterdir()) == [server.data]
    finally:
        shutil.rmtree(elsewhere)


def test_pgbouncer_prepares_statements_on_each_of_its_connections(own: Postgres) -> None:
    with PgBouncer(own, [PREPARE], pool_size=2) as pooler:
        for _ in range(2):
            assert ask(pooler.url, "EXECUTE next_number(3)") == [(4, "it's")]
            pooler.restart()


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_pgbouncer_stops_with_clients_connected_and_keeps_its_address(own: Postgres, end: str) -> None:
    with PgBouncer(own) as pooler:
        client = psycopg2.connect(pooler.url)
        getattr(pooler, end)()
        with pytest.raises(psycopg2.OperationalError):
            client.cursor().execute("SELECT 1")
        pooler.start()
        assert ask(pooler.url, "SELECT 1") == [(1,)]


def test_pgbouncer_never_holds_more_connections_than_its_pool(own: Postgres) -> None:
    with PgBouncer(own, pool_size=2) as pooler:
        with ThreadPoolExecutor(8) as clients:
            answers = list(clients.map(lambda n: ask(pooler.url, f"SELECT {n}, pg_sleep(0.02)"), range(16)))
        assert [row[0][0] for row in answers] == list(range(16))
        assert len([row for row in ask(pooler.console_url, "SHOW SERVERS") if row[2] == "jobfinder"]) == 2


@pytest.mark.parametrize("port", [None, 0])
def test_memcached_keeps_its_address_over_kill_and_restart(port: int | None) -> None:
    with Memcached(port=port) as server:
        address = server.address
        server.ask(b"set k 0 0 1\r\nv")
        server.kill()
        with pytest.raises(OSError, match=r"refused|No such file"):
            server.ask(b"version")
        assert server.start().address == address
        assert server.ask(b"get k") == b"END"


def test_paused_memcached_keeps_its_entries() -> None:
    with Memcached() as server:
        server.ask(b"set k 0 0 1\r\nv")
        server.pause()
        with pytest.raises(TimeoutError):
            server.ask(b"get k", timeout_s=0.1)
        server.resume()
        assert server.ask(b"get k") == b"VALUE k 0 1"
        server.flush()
        assert server.ask(b"get k") == b"END"


def test_a_closed_server_leaves_no_process_and_no_socket(own: Postgres) -> None:
    with PgBouncer(own) as pooler, Memcached() as cache:
        pids = [server.process.pid for server in (pooler, cache) if server.process]
        folder = Path(cache.address.removeprefix("unix:")).parent
        assert folder.exists()
    assert becomes_true(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), timeout_s=5)
    assert not folder.exists()
