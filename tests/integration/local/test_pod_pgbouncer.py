"""PgBouncer runs on the files that `python -m app pgbouncer-config` writes for a pod."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from app.infra.pgbouncer_ini import OPERATOR
from app.local.account import PrivateFolder, hand_over, server_account
from app.local.postgres import ROLE, Postgres
from app.local.process import Command, Server
from app.local.programs import program
from tests.conftest import LocalDatabase
from tests.service import free_port

SECRET = 'it\'s a "quoted" secret'


class PodPgBouncer(Server):
    """The sidecar of a pod whose pool starts at 3."""

    name = "PgBouncer"

    def __init__(self, postgres: Postgres, database: str) -> None:
        super().__init__()
        self._account = server_account()
        self._private = PrivateFolder(self._account)
        self.folder, self.port = self._private.path, free_port()
        password = self.folder / "operator-password"
        password.write_text(SECRET + "\n")
        self.variables = {
            "DATABASE_HOST": str(postgres.sockets),
            "DATABASE_PORT": str(postgres.port),
            "DATABASE_NAME": database,
            "DATABASE_USER": ROLE,
            "DATABASE_PASSWORD": "not ' asked for",
            "DATABASE_TLS_MODE": "disable",
            "PGBOUNCER_PORT": str(self.port),
            "PGBOUNCER_SOCKET_FOLDER": str(self.folder),
            "PGBOUNCER_POOL_SIZE": "3",
            "PGBOUNCER_OPERATOR_PASSWORD_FILE": str(password),
        }

    def write(self, **variables: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "app", "pgbouncer-config", "--out", str(self.folder)]
        return subprocess.run(command, env=self.variables | variables, text=True, capture_output=True, check=False)

    def url(self, database: str, user: str = ROLE) -> str:
        return f"postgresql://{user}@/{database}?host={self.folder}&port={self.port}"

    def close(self) -> None:
        self.stop()
        self._private.remove()

    def _command(self) -> Command:
        assert self.write().returncode == 0
        for each in self.folder.iterdir():
            hand_over(each, self._account)
        arguments = [program("pgbouncer") or "pgbouncer", "-q", self.folder / "pgbouncer.ini"]
        return Command(arguments, log=self.folder / "log", account=self._account)

    def _answers(self) -> bool:
        try:
            psycopg2.connect(self.url("pgbouncer"), connect_timeout=5).close()
        except psycopg2.OperationalError:
            return False
        return True


@pytest.fixture(scope="module")
def pooler(postgres: Postgres, database: LocalDatabase) -> Iterator[PodPgBouncer]:
    with PodPgBouncer(postgres, database.name) as server:
        yield server


def ask(url: str, sql: str, password: str | None = None) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(url, connect_timeout=5, password=password)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def setting(pooler: PodPgBouncer, name: str) -> object:
    return {row[0]: row[1] for row in ask(pooler.url("pgbouncer"), "SHOW CONFIG")}[name]


def test_the_service_finds_its_database_with_everything_prepared(pooler: PodPgBouncer, database: LocalDatabase) -> None:
    names = ask(pooler.url(database.name), "SELECT name FROM pg_prepared_statements")
    assert len(names) > 5
    assert setting(pooler, "default_pool_size") == setting(pooler, "max_db_connections") == "3"
    assert setting(pooler, "pool_mode") == "transaction"


def test_the_service_may_look_at_the_console_and_change_nothing(pooler: PodPgBouncer) -> None:
    assert ask(pooler.url("pgbouncer"), "SHOW POOLS")
    with pytest.raises(psycopg2.Error, match=r"admin access|not allowed"):
        ask(pooler.url("pgbouncer"), "SET default_pool_size = 7")


def test_the_operator_may_change_the_pool_over_tcp_with_its_password_alone(pooler: PodPgBouncer) -> None:
    console = f"postgresql://{OPERATOR}@127.0.0.1:{pooler.port}/pgbouncer"
    ask(console, "SET default_pool_size = 5", password=SECRET)
    assert setting(pooler, "default_pool_size") == "5"
    with pytest.raises(psycopg2.OperationalError):
        ask(console, "SHOW POOLS", password="guessed")


def test_nobody_reaches_the_database_over_tcp(pooler: PodPgBouncer, database: LocalDatabase) -> None:
    for user in (ROLE, OPERATOR):
        with pytest.raises(psycopg2.OperationalError):
            ask(f"postgresql://{user}@127.0.0.1:{pooler.port}/{database.name}", "SELECT 1", password=SECRET)


def test_the_operator_is_not_admitted_over_the_socket(pooler: PodPgBouncer, database: LocalDatabase) -> None:
    for name in ("pgbouncer", database.name):
        with pytest.raises(psycopg2.OperationalError):
            ask(pooler.url(name, OPERATOR), "SHOW POOLS", password=SECRET)


def test_the_files_are_for_their_owner_alone(pooler: PodPgBouncer) -> None:
    for name in ("pgbouncer.ini", "hba.conf", "userlist.txt"):
        assert Path(pooler.folder, name).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("variable", "value", "complaint"),
    [
        ("DATABASE_HOST", "", "DATABASE_HOST: the host"),
        ("DATABASE_HOST", "first,second", "DATABASE_HOST: one host"),
        ("PGBOUNCER_POOL_SIZE", "0", "PGBOUNCER_POOL_SIZE: at least 1"),
        ("DATABASE_USER", "a\nauth_type = any", "DATABASE_USER: it spans lines"),
        ("DATABASE_TLS_MODE", "maybe", "DATABASE_TLS_MODE: 'maybe' is not one of"),
    ],
)
def test_what_cannot_work_is_refused_by_name(pooler: PodPgBouncer, variable: str, value: str, complaint: str) -> None:
    before = (pooler.folder / "pgbouncer.ini").read_text()
    done = pooler.write(**{variable: value})
    assert done.returncode == 2
    assert complaint in done.stderr
    assert (pooler.folder / "pgbouncer.ini").read_text() == before
