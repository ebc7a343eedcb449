"""Health checks of the dependencies (database, pooler, cache), and the readiness of the pod."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.errors import ConfigError, Unavailable
from app.health.shared import Shared
from app.infra.memcache.client import Memcache
from app.infra.postgres.database import Database

CHECK_LIMIT_SECONDS = 1.0
POOLER_LIMIT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Dependencies:
    """`pooler` is PgBouncer's console, None without a pooler.

    `confirm` raises ConfigError or Unavailable if the service cannot work with the database; `objection` returns why
    it no longer can, or "", without a query. `replicas` gives the numbers of replicas in the settings and in use.
    """

    database: Database
    pooler: Database | None
    memcache: Memcache
    confirm: Callable[[], None]
    objection: Callable[[], str]
    replicas: Callable[[], tuple[int, int]] = lambda: (0, 0)


class HealthService:
    """Reports are cached for one second; `clock` is in seconds."""

    def __init__(self, needs: Dependencies, clock: Callable[[], float] = time.monotonic) -> None:
        self._needs = needs
        self._report: Shared[dict[str, Any]] = Shared(self._check_all, {"status": "unavailable", "checks": {}}, clock)
        self._confirmed = False
        self._pooler_problem: Shared[str | None] = Shared(self._ask_pooler, None, clock)

    def report(self) -> dict[str, Any]:
        """`status` is ok, degraded (no cache, or a replica is away) or unavailable (no database).

        Every check comes with its latency in ms.
        """
        return self._report.value()

    def readiness(self) -> str | None:
        """Why the service is not ready, or None.

        After the first successful check of the database, losing it does not make the pod unready: all pods would become
        unready at once, and a 503 tells a client more than a refused connection. The pod is unready if its own
        PgBouncer does not answer on its console (which needs no database), or if this process uses another log of
        changes than the database: in both cases other pods can still serve.
        """
        if self._confirmed:
            return self._needs.objection() or self._pooler_problem.value()
        try:
            self._needs.confirm()
        except (ConfigError, Unavailable) as error:
            return str(error)
        self._confirmed = True
        return None

    def _ask_pooler(self) -> str | None:
        try:
            if self._needs.pooler is not None:
                self._needs.pooler.ping(POOLER_LIMIT_SECONDS)
        except Unavailable:
            return "PgBouncer does not answer on its console"
        return None

    def _check_all(self) -> dict[str, Any]:
        checks = {
            "database": _timed(self._needs.database),
            "pooler": {"status": "absent"} if self._needs.pooler is None else _timed(self._needs.pooler),
            "cache": self._cache(),
            **self._replicas(),
        }
        down = {name for name, check in checks.items() if check["status"] == "down"}
        status = "unavailable" if down & {"database", "pooler"} else "degraded" if down else "ok"
        return {"status": status, "checks": checks, "timestamp": timestamp()}

    def _cache(self) -> dict[str, Any]:
        if not self._needs.memcache.configured:
            return {"status": "absent"}
        servers = self._needs.memcache.ping()
        answered = [ms for _, ms in servers if ms is not None]
        check: dict[str, Any] = {"status": "up" if len(answered) == len(servers) else "down"}
        if answered:
            check["latency_ms"] = round(max(answered), 3)
        return check | {"servers": len(servers), "servers_up": len(answered)}

    def _replicas(self) -> dict[str, Any]:
        named, used = self._needs.replicas()
        if not named:
            return {}
        return {"replicas": {"status": "up" if used == named else "down", "servers": named, "servers_up": used}}


def _timed(database: Database) -> dict[str, Any]:
    try:
        return {"status": "up", "latency_ms": round(database.ping(CHECK_LIMIT_SECONDS), 3)}
    except Unavailable:
        return {"status": "down"}


def timestamp() -> str:
    """The current time in UTC, in the format of RFC 3339."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
