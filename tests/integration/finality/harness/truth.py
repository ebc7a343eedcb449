"""Which sessions are live in PostgreSQL."""

from tests.pods.database import rows
from tests.pods.pod import Shared, wait_for

LIVE_SESSIONS = """
SELECT s.id FROM sessions s JOIN users u ON u.id = s.user_id
 WHERE s.revoked_at IS NULL AND s.expires_at > now() AND s.epoch = u.token_epoch
"""
REVOKED = "SELECT count(*) FROM sessions WHERE revoked_at IS NOT NULL AND id = ANY (%s)"


def live_sessions(shared: Shared) -> set[int]:
    return {row[0] for row in rows(shared, LIVE_SESSIONS)}


def wait_until_revoked(shared: Shared, sessions: list[int]) -> None:
    """Wait until the ends of all these sessions are committed."""
    wait_for(lambda: rows(shared, REVOKED, sessions)[0][0] == len(sessions), "the sessions end in PostgreSQL", 7)
