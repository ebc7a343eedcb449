"""The PostgreSQL servers of a worker: the primary, and the replicas that its settings name."""

from typing import Any, Protocol

from app.config import DatabaseTuning, Settings
from app.errors import ConfigError
from app.infra.background.ticker import Ticker
from app.infra.metrics.counters import REPLICAS_MOST
from app.infra.postgres.database import Database, Row, Statement
from app.infra.postgres.replica import Replica, reading

ACQUIRE_TIMEOUT_MS = 50
"""How long a read waits for a connection to a replica before it goes to the primary."""
WATCH_EVERY_S = 1.0
_ONE_CONNECTION = DatabaseTuning(pool_min=1, pool_max=1, acquire_timeout_ms=1000)


class ReadableElsewhere(Database):
    """The primary; inside of `Replica.read`, queries of this request or thread go to that replica instead."""

    def one(self, statement: Statement | str, *params: Any) -> Row | None:
        on_replica = reading.get()
        return super().one(statement, *params) if on_replica is None else on_replica.one(statement, *params)

    def all(self, statement: Statement | str, *params: Any) -> list[Row]:
        on_replica = reading.get()
        return super().all(statement, *params) if on_replica is None else on_replica.all(statement, *params)


class Watcher(Protocol):
    """The method of `ReplicaReads` that is used here."""

    def watch(self) -> None: ...


class Replicas:
    """The databases of the replicas; empty without `DATABASE_REPLICA_URLS`. Raises ConfigError for a wrong one."""

    def __init__(self, settings: Settings, tuning: DatabaseTuning) -> None:
        urls = settings.database_replica_urls
        if len(urls) > REPLICAS_MOST:
            raise ConfigError(f"DATABASE_REPLICA_URLS: {REPLICAS_MOST} replicas at most")
        self._databases = [Database(url, _impatient(tuning), prepared=False) for url in urls]
        self.servers = [Replica(f"replica {number}", each) for number, each in enumerate(self._databases, 1)]
        self._ticker = Ticker()

    def apply(self, tuning: DatabaseTuning) -> None:
        """Apply new bounds of each server's connections at once."""
        for each in self._databases:
            each.apply(_impatient(tuning))

    def start(self, watcher: Watcher | None) -> None:
        """Have the replicas watched every second, in a thread of its own: one that is away may keep it waiting."""
        if watcher is None:
            return
        self._ticker.every(WATCH_EVERY_S, watcher.watch, "replicas")
        self._ticker.every(30.0, self._prune, "idle connections to replicas")
        self._ticker.start()

    def close(self) -> None:
        """Stop watching and close all connections."""
        self._ticker.stop()
        for each in self._databases:
            each.close()

    def _prune(self) -> None:
        for each in self._databases:
            each.prune()


def open_primary(settings: Settings, tuning: DatabaseTuning) -> Database:
    """The primary of a worker that serves requests."""
    kind = ReadableElsewhere if settings.database_replica_urls else Database
    direct = not settings.pgbouncer_console_url
    return kind(settings.database_url, tuning, prepared=settings.prepared_statements, direct=direct)


def open_console(settings: Settings) -> Database | None:
    """The console of PgBouncer; None without one."""
    console = settings.pgbouncer_console_url
    return Database(console, _ONE_CONNECTION, prepared=False) if console else None


def _impatient(tuning: DatabaseTuning) -> DatabaseTuning:
    return DatabaseTuning(
        pool_min=tuning.pool_min,
        pool_max=tuning.pool_max,
        acquire_timeout_ms=ACQUIRE_TIMEOUT_MS,
        idle_timeout_seconds=tuning.idle_timeout_seconds,
    )
