"""SQL that tells which of many sessions are live."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.auth.store import ENDS_AT, LIVE_WITHIN
from app.infra.postgres.database import Database

LIST_LIVE = f"""
SELECT s.id, s.user_id, extract(epoch FROM {ENDS_AT.format(in_all="%s")})::float8
  FROM sessions s JOIN users u ON u.id = s.user_id
 WHERE s.id = ANY (%s) AND {LIVE_WITHIN.format(in_all="%s")}
"""


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session that was live when it was read; `ends_at` is in seconds since 1970."""

    user_id: int
    ends_at: float


class LiveSessions:
    """`in_all` is how many seconds a session lives at most."""

    def __init__(self, database: Database, in_all: float) -> None:
        self._database, self._in_all = database, in_all

    def find(self, session_ids: Sequence[int]) -> dict[int, LiveSession]:
        """Those that are live, by id."""
        rows = self._database.all(LIST_LIVE, self._in_all, list(session_ids), self._in_all)
        return {row[0]: LiveSession(row[1], row[2]) for row in rows}
