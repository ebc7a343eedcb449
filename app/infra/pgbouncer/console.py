"""PgBouncer's statistics, read from its console."""

from dataclasses import dataclass
from typing import Any

from app.infra.postgres.database import Database

_CONSOLE = "pgbouncer"
_MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class PoolerStatistics:
    """Current numbers of connections, and totals since PgBouncer started; see https://www.pgbouncer.org/usage.html."""

    pool_size: int
    clients_active: int
    clients_waiting: int
    servers_active: int
    servers_idle: int
    servers_used: int
    max_wait_seconds: float
    queries: int
    transactions: int
    query_seconds: float
    wait_seconds: float


def statistics(console: Database) -> PoolerStatistics:
    """Statistics over all pools except the console's own; raises Unavailable."""
    pools = [row for row in console.records("SHOW POOLS") if row["database"] != _CONSOLE]
    totals = [row for row in console.records("SHOW STATS") if row["database"] != _CONSOLE]
    config = {row["key"]: row["value"] for row in console.records("SHOW CONFIG")}
    return PoolerStatistics(
        pool_size=int(config["default_pool_size"]),
        clients_active=_sum(pools, "cl_active"),
        clients_waiting=_sum(pools, "cl_waiting"),
        servers_active=_sum(pools, "sv_active"),
        servers_idle=_sum(pools, "sv_idle"),
        servers_used=_sum(pools, "sv_used"),
        max_wait_seconds=max((row["maxwait"] + row["maxwait_us"] / _MICROSECONDS for row in pools), default=0.0),
        queries=_sum(totals, "total_query_count"),
        transactions=_sum(totals, "total_xact_count"),
        query_seconds=_sum(totals, "total_query_time") / _MICROSECONDS,
        wait_seconds=_sum(totals, "total_wait_time") / _MICROSECONDS,
    )


def _sum(rows: list[dict[str, Any]], name: str) -> int:
    return sum(int(row[name]) for row in rows)
