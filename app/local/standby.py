"""A streaming replica of `Postgres`, copied from it at its first start."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from app.local.account import hand_over
from app.local.postgres import Postgres
from app.local.process import Server

WAL_SETTINGS = {"max_wal_senders": "4", "wal_keep_size": "512MB"}
"""What a primary needs, so that replicas can follow it and be away for some time."""


class Standby(Postgres):
    """Follows `primary`; `settings` are further ones of postgresql.conf, such as `recovery_min_apply_delay`."""

    name = "the replica of PostgreSQL"

    def __init__(
        self, folder: Path, primary: Postgres, *, max_connections: int = 100, settings: Mapping[str, str] | None = None
    ) -> None:
        own = {**WAL_SETTINGS, **(settings or {})}
        super().__init__(folder, durable=primary.durable, max_connections=max_connections, settings=own)
        self.primary = primary

    def start(self) -> "Standby":
        """Copy the primary unless this object has done so before, start and wait until queries are answered."""
        if self.process is None:
            shutil.rmtree(self.data, ignore_errors=True)
            self._create()
        hand_over(self.data, self._account)
        Server.start(self)
        return self

    def follow(self, primary: Postgres) -> None:
        """Follow another primary, by a restart."""
        self.primary = primary
        self.restart()

    def _create(self) -> None:
        self.data.parent.mkdir(parents=True, exist_ok=True)
        self.data.mkdir(mode=0o700)
        hand_over(self.data, self._account)
        source = [f"--host={self.primary.sockets}", f"--port={self.primary.port}", "--username=postgres"]
        self._run("pg_basebackup", *source, f"--pgdata={self.data}", "--checkpoint=fast", "--no-sync")
        (self.data / "standby.signal").touch()

    def _settings_now(self) -> dict[str, str]:
        source = f"host={self.primary.sockets} port={self.primary.port} user=postgres"
        return super()._settings_now() | {"primary_conninfo": source, "hot_standby": "on"}
