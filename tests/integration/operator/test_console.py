"""The console client against real PgBouncers."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import psycopg2
import pytest

from app.local.postgres import Postgres
from app.local.process import becomes_true
from jobfinder_operator.clients.pgbouncer import MOST, Console, ConsoleError, Consoles, connect
from jobfinder_operator.deciding.snapshot import Reading
from tests.conftest import LocalDatabase
from tests.integration.operator.load import saturated, transactions
from tests.integration.operator.sidecars import ACCOUNT, TIMEOUT_S, Sidecar, on_console, read, setting
from tests.pods.pod import wait_for


@pytest.fixture(scope="module")
def sidecar(postgres: Postgres, database: LocalDatabase) -> Iterator[Sidecar]:
    with Sidecar(postgres, database.name, floor=2) as server:
        yield server


def resize(sidecar: Sidecar, size: int, *, recycle: bool = False) -> None:
    async def tell(console: Console) -> None:
        await console.set_pool_size(size)
        if recycle:
            await console.recycle()

    on_console(sidecar, tell)


def until(condition: Callable[[Reading], bool], sidecar: Sidecar, timeout_s: float = 10) -> Reading:
    deadline = time.monotonic() + timeout_s
    while not condition(seen := read(sidecar)):
        assert time.monotonic() < deadline, f"last seen: {seen}"
    return seen


def most_servers(sidecar: Sidecar, seconds: float) -> int:
    until_s = time.monotonic() + seconds
    most = 0
    while time.monotonic() < until_s:
        most = max(most, read(sidecar).servers)
    return most


def test_reading_has_pool_servers_clients_and_wait_timeout(sidecar: Sidecar) -> None:
    connection = psycopg2.connect(sidecar.url, connect_timeout=5)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        seen = read(sidecar)
    connection.close()
    assert (seen.pool_size, seen.servers, seen.servers_active) == (2, 1, 1)
    assert (seen.clients_active, seen.clients_waiting, seen.query_wait_seconds) == (1, 0, 8)


def test_pool_resizes_under_load_without_failed_transactions(sidecar: Sidecar) -> None:
    with saturated([sidecar.url], clients=12, statement="SELECT pg_sleep(0.005)") as load:
        resize(sidecar, 10)
        grown = until(lambda seen: seen.servers == 10, sidecar)
        resize(sidecar, 3, recycle=True)
        shrunk = until(lambda seen: seen.servers <= 3, sidecar)
        done = load.done
        until(lambda seen: load.done > done + 50, sidecar)
    assert (grown.pool_size, shrunk.pool_size) == (10, 3)
    assert load.failures == []
    assert shrunk.wait_seconds > grown.wait_seconds > 0
    assert shrunk.busy_seconds > grown.busy_seconds > 0


@contextmanager
def logins_held(postgres: Postgres) -> Iterator[None]:
    """PostgreSQL starts no backend; those that it has go on."""
    assert postgres.process is not None
    postgres.process.send(signal.SIGSTOP)
    try:
        yield
    finally:
        postgres.process.send(signal.SIGCONT)


def logging_in(sidecar: Sidecar) -> bool:
    rows = on_console(sidecar, lambda console: console.rows("SHOW POOLS"))
    return any(int(row["sv_login"]) for row in rows)


def test_recycling_while_a_connection_logs_in_fails_no_transaction(sidecar: Sidecar, postgres: Postgres) -> None:
    """PgBouncer takes a login that RECONNECT ends for a failed one, and refuses clients that come next."""
    resize(sidecar, 2, recycle=True)
    with (
        saturated([sidecar.url], clients=12, statement="SELECT pg_sleep(0.005)") as load,
        ThreadPoolExecutor(1) as beside,
    ):
        until(lambda seen: seen.servers_active == 2, sidecar)
        with logins_held(postgres):
            resize(sidecar, 10)
            wait_for(lambda: logging_in(sidecar), "a login that is not answered")
            recycling = beside.submit(resize, sidecar, 3, recycle=True)
            wait_for(lambda: setting(sidecar, MOST) == "3", "the smaller limit")
            done = load.done
            wait_for(lambda: load.done > done + 20 or bool(load.failures), "transactions while none logs in")
        recycling.result()
        done = load.done
        until(lambda seen: seen.servers <= 3 and load.done > done + 50, sidecar)
    assert load.failures == []


def test_smaller_pool_without_recycle_keeps_busy_connections(sidecar: Sidecar) -> None:
    """Why `recycle` exists: PgBouncer gives a released connection to a waiting client even above the pool size."""
    resize(sidecar, 6)
    with transactions(sidecar.url, 6) as first:
        until(lambda seen: seen.servers_active == 6, sidecar)
        resize(sidecar, 2)
        with transactions(sidecar.url, 6) as second:
            until(lambda seen: seen.clients_waiting == 6, sidecar)
            first.set()
            handed_on = until(lambda seen: seen.clients_active + seen.clients_waiting == 6, sidecar)
            resize(sidecar, 2, recycle=True)
            with transactions(sidecar.url, 6):
                second.set()
                until(lambda seen: (seen.clients_active, seen.clients_waiting) == (2, 4), sidecar)
    assert handed_on.servers > handed_on.pool_size == 2


def test_client_after_recycle_gets_no_connection_above_the_limit(sidecar: Sidecar) -> None:
    """Why the limit is two settings: with `default_pool_size` alone there would be seven connections here."""
    resize(sidecar, 6)
    with transactions(sidecar.url, 6) as first:
        until(lambda seen: seen.servers_active == 6, sidecar)
        resize(sidecar, 2, recycle=True)
        with transactions(sidecar.url, 1):
            most = most_servers(sidecar, seconds=1.5)
            first.set()
            until(lambda seen: (seen.servers, seen.clients_active) == (1, 1), sidecar)
    assert most == 6


def test_smaller_pool_closes_idle_connections(sidecar: Sidecar) -> None:
    resize(sidecar, 6)
    with transactions(sidecar.url, 6):
        until(lambda seen: seen.servers_active == 6, sidecar)
        resize(sidecar, 2)
    until(lambda seen: seen.servers == 2, sidecar)


def test_timeouts_are_set_while_it_runs(sidecar: Sidecar) -> None:
    async def tell(console: Console) -> tuple[int | None, str]:
        await console.read(at=0)
        await console.set("query_wait_timeout", 3)
        await console.set("server_idle_timeout", 45)
        seen = await console.read(at=0)
        await console.set("query_wait_timeout", 8)
        return seen.query_wait_seconds, console.settings["server_idle_timeout"]

    assert on_console(sidecar, tell) == (3, "45")


def test_pool_size_zero_is_refused_because_it_means_unlimited(sidecar: Sidecar) -> None:
    before = read(sidecar).pool_size
    with pytest.raises(ConsoleError, match="unlimited"):
        resize(sidecar, 0)
    assert read(sidecar).pool_size == before


def test_pool_with_only_one_limit_set_is_read_and_gets_both(sidecar: Sidecar) -> None:
    async def work(console: Console) -> tuple[int, bool, bool]:
        await console.set_pool_size(4)
        await console.rows("SET max_db_connections = 0")
        size, was_uneven = (await console.read(at=0)).pool_size, console.uneven
        await console.set_pool_size(size)
        await console.read(at=0)
        return size, was_uneven, console.uneven

    assert on_console(sidecar, work) == (4, True, False)


def test_paused_pgbouncer_times_out_without_blocking_the_loop(sidecar: Sidecar) -> None:
    """Connecting and a command both time out, and the event loop is not blocked."""

    async def ask(timeout_s: float) -> tuple[float, int]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        console = await connect(sidecar.host, ACCOUNT, TIMEOUT_S)
        ticking = asyncio.create_task(tick())
        sidecar.pause()
        started = time.monotonic()
        with pytest.raises(ConsoleError, match=r"SET .*: no answer within 0\.3 s"):
            await console.set_pool_size(4, timeout_s)
        assert console.closed
        with pytest.raises(ConsoleError, match=r"connecting to .*: no answer within 0\.3 s"):
            await connect(sidecar.host, ACCOUNT, timeout_s)
        ticking.cancel()
        return time.monotonic() - started, ticks

    try:
        took, ticks = asyncio.run(ask(0.3))
    finally:
        sidecar.resume()
    assert took < 5
    assert ticks > 10
    assert read(sidecar).pool_size >= 1


def tell_while_stopped(sidecar: Sidecar, tell: Callable[[Console], Awaitable[object]]) -> None:
    """Set the pool to 2, pause PgBouncer, let `tell` time out, and resume it."""

    async def run() -> None:
        console = await connect(sidecar.host, ACCOUNT, TIMEOUT_S)
        await console.set_pool_size(2)
        sidecar.pause()
        with pytest.raises(ConsoleError):
            await tell(console)

    try:
        asyncio.run(run())
    finally:
        sidecar.resume()


def test_command_that_timed_out_may_run_when_pgbouncer_resumes(sidecar: Sidecar) -> None:
    """Why a larger pool is recorded before it is granted, and an unanswered shrink does not count."""
    tell_while_stopped(sidecar, lambda console: console.rows("SET max_db_connections = 7", 0.2))
    until(lambda seen: seen.pool_size == 7, sidecar)


def test_pool_size_without_the_second_limit_is_not_granted(sidecar: Sidecar) -> None:
    tell_while_stopped(sidecar, lambda console: console.set_pool_size(7, 0.2))
    assert becomes_true(lambda: setting(sidecar, "default_pool_size") == "7", 10)
    with transactions(sidecar.url, 6):
        seen = until(lambda seen: (seen.clients_active, seen.clients_waiting) == (2, 4), sidecar)
    assert (seen.pool_size, seen.servers) == (2, 2)


def test_restarted_pgbouncer_is_a_new_session(sidecar: Sidecar) -> None:
    async def work() -> tuple[list[str], str]:
        consoles = Consoles(ACCOUNT, TIMEOUT_S)
        before = [(await (await consoles.get("uid", sidecar.host)).read(at)).session for at in (1, 2)]
        await asyncio.to_thread(sidecar.kill)
        await asyncio.to_thread(sidecar.start)
        with pytest.raises(ConsoleError):
            await (await consoles.get("uid", sidecar.host)).read(3)
        after = (await (await consoles.get("uid", sidecar.host)).read(4)).session
        consoles.close()
        return before, after

    before, after = asyncio.run(work())
    assert before[0] == before[1] != after


def test_dead_pgbouncer_raises_console_error(sidecar: Sidecar) -> None:
    sidecar.kill()
    try:
        with pytest.raises(ConsoleError, match="connecting to"):
            read(sidecar)
    finally:
        sidecar.start()
    assert read(sidecar).pool_size == 2


def test_wrong_password_raises_console_error(sidecar: Sidecar) -> None:
    with pytest.raises(ConsoleError):
        on_console(sidecar, lambda console: console.read(0), replace(ACCOUNT, password="guess"))
