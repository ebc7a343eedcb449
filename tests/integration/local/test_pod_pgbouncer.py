"""PgBouncer runs on the files that `python -m app pgbouncer-config` writes for a pod."""

from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from app.infra.pgbouncer.ini import EXPORTER, OPERATOR, SERVICE
from app.local.postgres import Postgres
from tests.conftest import LocalDatabase
from tests.integration.local.pod_pgbouncer import SECRET, PodPgBouncer, ask, setting


@pytest.fixture(scope="module")
def pooler(postgres: Postgres, database: LocalDatabase) -> Iterator[PodPgBouncer]:
    with PodPgBouncer(postgres, database.name) as server:
        yield server


def test_service_finds_its_database_and_prepared_statements(pooler: PodPgBouncer) -> None:
    names = ask(pooler.url(), "SELECT name FROM pg_prepared_statements")
    assert len(names) > 5
    assert setting(pooler, "default_pool_size") == setting(pooler, "max_db_connections") == "3"
    assert setting(pooler, "pool_mode") == "transaction"


def test_connections_to_a_replica_prepare_nothing(postgres: Postgres, database: LocalDatabase) -> None:
    """So that its PgBouncer does not refuse a standby, as that of the primary does."""
    with PodPgBouncer(postgres, database.name, {"PGBOUNCER_FOR_REPLICA": "true"}) as server:
        assert ask(server.url(), "SELECT name FROM pg_prepared_statements") == []


@pytest.fixture(scope="module")
def odd_name(postgres: Postgres) -> Iterator[str]:
    """A database whose name has every character that is special in PgBouncer's files or in URLs."""
    name = """job's "finder" = 100 %;[x] \\ \u00e4"""
    quoted = name.replace('"', '""')
    admin = postgres.url("postgres", "postgres")
    ask(admin, f'CREATE DATABASE "{quoted}"')
    yield name
    ask(admin, f'DROP DATABASE "{quoted}" WITH (FORCE)')


def test_database_with_special_characters_is_found(postgres: Postgres, odd_name: str) -> None:
    with PodPgBouncer(postgres, odd_name) as server:
        assert ask(server.url(), "SELECT current_database()") == [(odd_name,)]
        assert setting(server, "default_pool_size") == setting(server, "max_db_connections") == "3"


def test_service_may_only_read_the_console(pooler: PodPgBouncer) -> None:
    assert ask(pooler.url("pgbouncer"), "SHOW POOLS")
    with pytest.raises(psycopg2.Error, match=r"admin access|not allowed"):
        ask(pooler.url("pgbouncer"), "SET default_pool_size = 7")


def test_operator_changes_the_pool_over_tcp_with_its_password(pooler: PodPgBouncer) -> None:
    console = f"postgresql://{OPERATOR}@127.0.0.1:{pooler.port}/pgbouncer"
    ask(console, "SET default_pool_size = 5", password=SECRET)
    assert setting(pooler, "default_pool_size") == "5"
    with pytest.raises(psycopg2.OperationalError):
        ask(console, "SHOW POOLS", password="guessed")


def test_operator_is_refused_without_tls(pooler: PodPgBouncer) -> None:
    with pytest.raises(psycopg2.OperationalError, match=r"no authentication method|login rejected"):
        ask(f"postgresql://{OPERATOR}@127.0.0.1:{pooler.port}/pgbouncer?sslmode=disable", "SHOW POOLS", password=SECRET)


def test_an_exporter_reads_statistics_and_nothing_else(pooler: PodPgBouncer) -> None:
    password = (pooler.folder / "pgpass").read_text().strip().rsplit(":", 1)[1]
    at = f"{EXPORTER}@127.0.0.1:{pooler.port}"
    assert ask(f"postgresql://{at}/pgbouncer?sslmode=disable", "SHOW POOLS", password=password)
    for name, sql in (("pgbouncer", "SET default_pool_size = 7"), ("pgbouncer", "RELOAD"), (SERVICE, "SELECT 1")):
        with pytest.raises(psycopg2.Error):
            ask(f"postgresql://{at}/{name}", sql, password=password)
    for guess in ("", "guessed"):
        with pytest.raises(psycopg2.OperationalError):
            ask(f"postgresql://{at}/pgbouncer", "SHOW POOLS", password=guess)
    for name in ("pgbouncer", SERVICE):
        with pytest.raises(psycopg2.OperationalError):
            ask(pooler.url(name, EXPORTER), "SHOW POOLS", password=password)


def test_files_do_not_hold_the_operators_password(pooler: PodPgBouncer) -> None:
    for name in ("pgbouncer.ini", "hba.conf", "userlist.txt"):
        assert SECRET.split(maxsplit=1)[0] not in (pooler.folder / name).read_text()


def test_database_is_not_reachable_over_tcp(pooler: PodPgBouncer) -> None:
    for user in (SERVICE, OPERATOR):
        with pytest.raises(psycopg2.OperationalError):
            ask(f"postgresql://{user}@127.0.0.1:{pooler.port}/{SERVICE}", "SELECT 1", password=SECRET)


def test_the_operator_is_not_admitted_over_the_socket(pooler: PodPgBouncer) -> None:
    for name in ("pgbouncer", SERVICE):
        with pytest.raises(psycopg2.OperationalError):
            ask(pooler.url(name, OPERATOR), "SHOW POOLS", password=SECRET)


def test_files_are_readable_only_by_their_owner(pooler: PodPgBouncer) -> None:
    for name in ("pgbouncer.ini", "hba.conf", "userlist.txt", "pgpass"):
        assert Path(pooler.folder, name).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("variable", "value", "complaint"),
    [
        ("DATABASE_HOST", "", "DATABASE_HOST: the host"),
        ("DATABASE_HOST", "first,second", "DATABASE_HOST: one host"),
        ("PGBOUNCER_POOL_SIZE", "0", "PGBOUNCER_POOL_SIZE: at least 1"),
        ("DATABASE_USER", "a\nauth_type = any", "DATABASE_USER: it spans lines"),
        ("PGBOUNCER_TLS_FOLDER", "", "PGBOUNCER_TLS_FOLDER: a certificate is needed"),
        ("DATABASE_TLS_MODE", "maybe", "DATABASE_TLS_MODE: 'maybe' is not one of"),
    ],
)
def test_invalid_setting_is_refused_by_name(pooler: PodPgBouncer, variable: str, value: str, complaint: str) -> None:
    before = (pooler.folder / "pgbouncer.ini").read_text()
    done = pooler.write(**{variable: value})
    assert done.returncode == 2
    assert complaint in done.stderr
    assert (pooler.folder / "pgbouncer.ini").read_text() == before
