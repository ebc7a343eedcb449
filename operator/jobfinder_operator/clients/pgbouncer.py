"""PgBouncer's admin console over TCP: each command has a deadline, and none blocks the event loop."""

import asyncio
import time
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import psycopg2
from psycopg2.extensions import POLL_OK, POLL_READ, POLL_WRITE

from jobfinder_operator.deciding.snapshot import Reading

LOGIN_POLL_S = 0.02
CONSOLE = "pgbouncer"  # the console's own database; it has a pool in SHOW POOLS too

# Two settings bound a pool, and both are set to the same value. The first alone is not a hard limit: after a RECONNECT,
# the next client that logs in gets a connection even if the pool is full. The second has no such exception.
POOL, MOST = "default_pool_size", "max_db_connections"

Row = Mapping[str, Any]


class ConsoleError(Exception):
    """The console did not reply in time, or rejected the command."""


@dataclass(frozen=True)
class ConsoleAccount:
    """Credentials for the consoles over TCP, and how a PgBouncer proves that it belongs to the release: its certificate
    is signed by the CA in `ca_file` for `server_name` (pods have no DNS name). The file is read for each connection.
    """

    user: str
    password: str
    ca_file: str
    server_name: str
    port: int = 6432


class Console:
    """One open console connection, hence one PgBouncer process. A command that misses its deadline closes it.

    `session` is a unique id of the connection: a reply on it comes after all commands sent on it before.
    `settings` are those of the last SHOW CONFIG.
    """

    def __init__(self, connection: Any, timeout_s: float) -> None:
        self._connection, self._timeout_s = connection, timeout_s
        self.session = uuid.uuid4().hex
        self.settings: Mapping[str, str] = {}

    @property
    def closed(self) -> bool:
        return bool(self._connection.closed)

    async def rows(self, command: str, timeout_s: float | None = None) -> list[Row]:
        """Run one command; rows by column name, because versions add and move columns. Raises ConsoleError."""
        limit_s = self._limit_s(timeout_s)
        try:
            async with asyncio.timeout(limit_s):
                cursor = self._connection.cursor()
                cursor.execute(command)
                await _settled(self._connection)
        except BaseException as error:
            self.close()
            if isinstance(error, TimeoutError | psycopg2.Error):
                raise ConsoleError(f"{command}: {_reason(error, limit_s)}") from error
            raise
        if cursor.description is None:
            return []
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    async def read(self, at: float) -> Reading:
        """One reading, by four commands; `at` is the current time."""
        settings = self.settings = await self._config()
        pools, servers, totals = [
            _without_console(await self.rows(f"SHOW {what}")) for what in ("POOLS", "SERVERS", "STATS")
        ]
        return Reading(
            at=at,
            session=self.session,
            pool_size=_bound(settings),
            servers=len(servers),
            servers_active=sum(row["state"] == "active" for row in servers),
            clients_active=sum(int(row["cl_active"]) for row in pools),
            clients_waiting=sum(int(row["cl_waiting"]) for row in pools),
            max_wait_seconds=max((_wait_seconds(row) for row in pools), default=0.0),
            busy_seconds=sum(int(row["total_xact_time"]) for row in totals) / 1e6,
            wait_seconds=sum(int(row["total_wait_time"]) for row in totals) / 1e6,
            query_wait_seconds=round(float(settings["query_wait_timeout"])),
        )

    async def set_pool_size(self, size: int, timeout_s: float | None = None) -> None:
        """Limit the database's connections, in memory only; connections above the limit stay until `recycle`.

        `timeout_s` is for both commands together. If it passes between them, `pool_size` still returns the former size,
        and no more connections than that are opened.
        """
        if size < 1:
            raise ConsoleError(f"a pool of {size} is refused: PgBouncer reads 0 as unlimited")
        limit_s, started = self._limit_s(timeout_s), time.monotonic()
        await self.rows(f"SET {POOL} = {size:d}", limit_s)
        left_s = limit_s - (time.monotonic() - started)
        if left_s <= 0:
            raise ConsoleError(f"SET {MOST}: no time left to send the command")
        await self.rows(f"SET {MOST} = {size:d}", left_s)

    async def set(self, name: str, value: int, timeout_s: float | None = None) -> None:
        """Change one of the other settings, in memory only; `name` is one that `settings` has."""
        if name not in self.settings:
            raise ConsoleError(f"this PgBouncer has no setting {name}")
        await self.rows(f"SET {name} = {value:d}", timeout_s)

    async def pool_size(self, timeout_s: float | None = None) -> int:
        """The limit in force now."""
        return _bound(await self._config(timeout_s))

    @property
    def uneven(self) -> bool:
        """Whether `POOL` and `MOST` differed in the last SHOW CONFIG."""
        return bool(self.settings) and self.settings[POOL] != self.settings[MOST]

    async def servers(self, timeout_s: float | None = None) -> int:
        """Number of connections to PostgreSQL, in any state."""
        return len(_without_console(await self.rows("SHOW SERVERS", timeout_s)))

    async def recycle(self, timeout_s: float | None = None) -> None:
        """Close each connection to PostgreSQL when its transaction ends; new ones keep to the limit.

        RECONNECT also drops a connection that is still logging in. PgBouncer takes that for a failed login, and refuses
        clients until another one has succeeded. So wait until none is logging in, for up to half of the time; below a
        smaller limit, which has been set before, none begins.
        """
        limit_s, started = self._limit_s(timeout_s), time.monotonic()
        while any(int(row["sv_login"]) for row in await self.rows("SHOW POOLS", limit_s / 2)):
            if time.monotonic() - started > limit_s / 2:
                break
            await asyncio.sleep(LOGIN_POLL_S)
        await self.rows("RECONNECT", limit_s - (time.monotonic() - started))

    async def _config(self, timeout_s: float | None = None) -> Mapping[str, str]:
        return {str(row["key"]): str(row["value"]) for row in await self.rows("SHOW CONFIG", timeout_s)}

    def _limit_s(self, timeout_s: float | None) -> float:
        return self._timeout_s if timeout_s is None else min(timeout_s, self._timeout_s)

    def close(self) -> None:
        """Close at once, even during a command."""
        self._connection.close()


class Consoles:
    """The open consoles of all pods, by uid: a reply comes from the same process as got the earlier commands."""

    def __init__(self, account: ConsoleAccount, timeout_s: float = 2.0) -> None:
        self._account, self._timeout_s = account, timeout_s
        self._open: dict[str, Console] = {}

    def known(self, pod: str) -> Console | None:
        """The open console of this pod, if any."""
        found = self._open.get(pod)
        return None if found is None or found.closed else found

    async def get(self, pod: str, host: str, port: int = 0) -> Console:
        """The console of the pod at the address `host`, connected on first use; `port` 0: that of the account.

        Raises ConsoleError.
        """
        if known := self.known(pod):
            return known
        account = replace(self._account, port=port) if port else self._account
        self._open[pod] = opened = await connect(host, account, self._timeout_s)
        return opened

    def drop(self, pod: str) -> None:
        """Close. Since 1.23, PgBouncer waits on shutdown until all clients have left, consoles too."""
        if opened := self._open.pop(pod, None):
            opened.close()

    def keep(self, pods: Collection[str]) -> None:
        """Close the consoles of all other pods."""
        for pod in self._open.keys() - set(pods):
            self.drop(pod)

    def close(self) -> None:
        self.keep(())


async def connect(host: str, account: ConsoleAccount, timeout_s: float) -> Console:
    """Open the console of the PgBouncer at the address `host`; connecting and every command get `timeout_s` each.

    A command sent before its deadline may still run later, if the process was suspended and resumes.
    Raises ConsoleError.
    """
    return Console(await _connect(host, account, timeout_s), timeout_s)


async def _connect(host: str, account: ConsoleAccount, timeout_s: float) -> Any:
    connection = None
    try:
        async with asyncio.timeout(timeout_s):
            connection = psycopg2.connect(
                hostaddr=host,  # an address: libpq would resolve a name synchronously, blocking the event loop
                host=account.server_name,
                port=account.port,
                user=account.user,
                password=account.password,
                dbname=CONSOLE,
                sslmode="verify-full",
                sslrootcert=account.ca_file,
                require_auth="scram-sha-256",  # otherwise a fake server could ask for the plain password
                gssencmode="disable",
                application_name="jobfinder-operator",
                async_=1,
            )
            await _settled(connection)
            return connection
    except BaseException as error:
        if connection is not None:
            connection.close()
        if isinstance(error, TimeoutError | psycopg2.Error):
            raise ConsoleError(f"connecting to {host}:{account.port}: {_reason(error, timeout_s)}") from error
        raise


async def _settled(connection: Any) -> None:
    """Wait, on the running event loop, until libpq has nothing more to send or to read."""
    loop = asyncio.get_running_loop()
    while (state := connection.poll()) != POLL_OK:
        if state not in (POLL_READ, POLL_WRITE):
            raise ConsoleError(f"psycopg2 waits for {state!r}")
        add, remove = (
            (loop.add_reader, loop.remove_reader) if state == POLL_READ else (loop.add_writer, loop.remove_writer)
        )
        ready = loop.create_future()
        descriptor = connection.fileno()
        add(descriptor, _wake, ready)
        try:
            await ready
        finally:
            remove(descriptor)


def _wake(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)


def _reason(error: BaseException, timeout_s: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout_s:g} s"
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _bound(settings: Mapping[str, str]) -> int:
    """`MOST`, which is set last; PgBouncer shows 0 if it is not set."""
    return int(settings[MOST]) or int(settings[POOL])


def _without_console(rows: list[Row]) -> list[Row]:
    """Also without connections for cancel requests: PostgreSQL starts no session for them."""
    return [row for row in rows if row["database"] != CONSOLE and row.get("state") != "active_cancel"]


def _wait_seconds(row: Row) -> float:
    return int(row["maxwait"]) + int(row.get("maxwait_us", 0)) / 1e6
