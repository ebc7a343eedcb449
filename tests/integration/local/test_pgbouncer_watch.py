"""A running PgBouncer takes changed secrets without a failed query."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psycopg2
import pytest

from app.config import load_pooler_settings
from app.infra.pgbouncer.ini import OPERATOR
from app.infra.pgbouncer.watch import HUNG, PgBouncerFiles, hangs
from app.local.account import server_account
from app.local.postgres import Postgres
from app.local.process import becomes_true
from tests.certificates import SERVER_NAME, Authority
from tests.conftest import LocalDatabase
from tests.integration.local.pod_pgbouncer import SECRET, PodPgBouncer, ask, setting
from tests.integration.operator.load import saturated

ROLES = {"rotating_one": "it's the 'first'", "rotating_two": 'and "the" second'}


@pytest.fixture(scope="module")
def roles(postgres: Postgres, database: LocalDatabase) -> Iterator[None]:
    """Two roles with password authentication, for rotating from one to the other."""
    access = postgres.data / "pg_hba.conf"
    before = access.read_text()
    admin = postgres.url(database.name, "postgres")
    for role, password in ROLES.items():
        ask(admin, f"CREATE ROLE {role} LOGIN PASSWORD '{password.replace(chr(39), chr(39) * 2)}'")
    access.write_text("".join(f"local all {role} scram-sha-256\n" for role in ROLES) + before)
    ask(admin, "SELECT pg_reload_conf()")
    yield
    access.write_text(before)
    ask(admin, "SELECT pg_reload_conf()")


@pytest.fixture(scope="module")
def running(postgres: Postgres, database: LocalDatabase, roles: None) -> Iterator[PodPgBouncer]:
    with PodPgBouncer(postgres, database.name, login(*next(iter(ROLES.items())))) as server:
        yield server


@pytest.fixture
def pooler(running: PodPgBouncer) -> Iterator[PodPgBouncer]:
    """PgBouncer with the first role; its variables and certificate are restored afterwards."""
    before = dict(running.variables)
    files = watching(running)
    yield running
    running.variables = before
    Authority().write(running.folder / "tls")
    look(files)


def login(role: str, password: str) -> dict[str, str]:
    return {"DATABASE_USER": role, "DATABASE_PASSWORD": password}


@contextmanager
def as_the_servers_account() -> Iterator[None]:
    """Run as PgBouncer's account, because PgBouncer accepts RELOAD from no other."""
    account = server_account()
    if account is None:
        yield
        return
    os.seteuid(account.uid)
    try:
        yield
    finally:
        os.seteuid(0)


def watching(pooler: PodPgBouncer) -> PgBouncerFiles:
    """The watcher after its first round."""
    files = PgBouncerFiles(lambda: load_pooler_settings(pooler.variables), str, pooler.folder)
    look(files)
    return files


def look(files: PgBouncerFiles) -> None:
    with as_the_servers_account():
        files.look()


def test_new_credentials_are_used_by_every_connection_and_no_query_fails(pooler: PodPgBouncer) -> None:
    first, second = ROLES.items()
    files = watching(pooler)
    with saturated([pooler.url()], clients=8, statement="SELECT pg_sleep(0.002)") as load:
        assert ask(pooler.url(), "SELECT current_user") == [(first[0],)]
        pooler.variables |= login(*second)
        look(files)
        assert becomes_true(lambda: ask(pooler.url(), "SELECT current_user") == [(second[0],)], 10)
        done = load.done
        assert becomes_true(lambda: load.done > done + 100, 10)
    assert load.failures == []
    assert first[1].strip("'") not in (pooler.folder / "pgbouncer.ini").read_text()


def test_new_certificate_is_used_and_no_query_fails(pooler: PodPgBouncer) -> None:
    files = watching(pooler)
    newer = Authority()
    with saturated([pooler.url()], clients=4, statement="SELECT pg_sleep(0.002)") as load:
        newer.write(pooler.folder / "tls")
        look(files)
        assert becomes_true(lambda: shows_a_certificate_of(pooler, pooler.folder / "tls" / "ca.crt"), 10)
        done = load.done
        assert becomes_true(lambda: load.done > done + 100, 10)
    assert load.failures == []


def shows_a_certificate_of(pooler: PodPgBouncer, authority: Path) -> bool:
    verified = f"host={SERVER_NAME}&hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert={authority}"
    url = f"postgresql://{OPERATOR}@/pgbouncer?{verified}&port={pooler.port}"
    try:
        return bool(ask(url, "SHOW VERSION", SECRET))
    except psycopg2.OperationalError:
        return False


def test_exporter_and_operator_log_in_with_new_passwords(pooler: PodPgBouncer) -> None:
    files = watching(pooler)
    pooler.variables["PGBOUNCER_OPERATOR_PASSWORD_FILE"] = str(pooler.folder / "newer")
    (pooler.folder / "newer").write_text("another password\n")
    look(files)
    console = f"postgresql://{OPERATOR}@127.0.0.1:{pooler.port}/pgbouncer"
    assert ask(console, "SHOW VERSION", "another password")
    exporter = (pooler.folder / "pgpass").read_text().strip().rsplit(":", 1)[1]
    assert ask(f"postgresql://jobfinder_exporter@127.0.0.1:{pooler.port}/pgbouncer", "SHOW VERSION", exporter)


def test_reload_resets_the_pool_to_the_file(pooler: PodPgBouncer) -> None:
    files = watching(pooler)
    console = f"postgresql://{OPERATOR}@127.0.0.1:{pooler.port}/pgbouncer"
    for name in ("default_pool_size", "max_db_connections"):
        ask(console, f"SET {name} = 7", SECRET)
    look(files)
    assert setting(pooler, "default_pool_size") == "7"  # no file changed, so PgBouncer was not reloaded
    pooler.variables |= login(*list(ROLES.items())[1])
    look(files)
    assert setting(pooler, "default_pool_size") == setting(pooler, "max_db_connections") == "3"


def test_unreadable_certificate_changes_nothing(pooler: PodPgBouncer, caplog: pytest.LogCaptureFixture) -> None:
    files = watching(pooler)
    before = (pooler.folder / "userlist.txt").read_text()
    (pooler.folder / "tls" / "tls.crt").unlink()
    look(files)
    assert "tls.crt" in caplog.text
    assert (pooler.folder / "userlist.txt").read_text() == before
    assert ask(pooler.url(), "SELECT 1") == [(1,)]


def test_reload_of_a_paused_pgbouncer_is_retried(pooler: PodPgBouncer, caplog: pytest.LogCaptureFixture) -> None:
    files = watching(pooler)
    pooler.variables |= login(*list(ROLES.items())[1])
    pooler.pause()
    look(files)
    pooler.resume()
    assert "could not be reloaded" in caplog.text
    look(files)
    assert becomes_true(lambda: ask(pooler.url(), "SELECT current_user") == [("rotating_two",)], 10)


def test_hung_pgbouncer_is_marked_by_a_file(pooler: PodPgBouncer) -> None:
    files, mark = watching(pooler), pooler.folder / HUNG
    mark.touch()  # as left by a watcher that was killed
    with as_the_servers_account():
        files.tell_whether_it_hangs()
        assert not mark.exists()
        pooler.pause()
        files.tell_whether_it_hangs()
        assert mark.exists()
        pooler.resume()
        files.tell_whether_it_hangs()
        assert not mark.exists()


def test_full_accept_queue_counts_as_hung(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    assert not hangs(path)
    with socket.socket(socket.AF_UNIX) as listener, ExitStack() as clients:
        listener.bind(str(path))
        assert not hangs(path)  # nobody listens
        listener.listen(0)
        assert hangs(path, 0.01)
        for _ in range(2):
            client = clients.enter_context(socket.socket(socket.AF_UNIX))
            client.setblocking(False)
            with suppress(BlockingIOError):
                client.connect(str(path))
        assert hangs(path)


def test_watch_command_runs_until_sigterm(pooler: PodPgBouncer) -> None:
    password = pooler.folder / "database-password"
    password.write_text("one")
    variables = {name: value for name, value in pooler.variables.items() if name != "DATABASE_PASSWORD"}
    command = [sys.executable, "-m", "app", "pgbouncer-config", "--watch", "--out", str(pooler.folder)]
    watcher = subprocess.Popen(command, env={**variables, "DATABASE_PASSWORD_FILE": str(password)})
    try:
        written = pooler.folder / "pgbouncer.ini"
        assert becomes_true(lambda: "password='one'" in written.read_text(), 30)
        password.write_text("two")
        assert becomes_true(lambda: "password='two'" in written.read_text(), 30)
    finally:
        watcher.send_signal(signal.SIGTERM)
    assert watcher.wait(30) == 0
