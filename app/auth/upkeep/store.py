"""SQL that deletes up to 1,000 expired rows; concurrent workers skip each other's rows."""

from app.infra.postgres.database import Database
from app.infra.tuning.live_tuning import LiveTuning

PRUNE_SESSIONS = """
DELETE FROM sessions WHERE id IN (
    SELECT s.id FROM sessions s WHERE s.expires_at < now() - interval '1 day' LIMIT 1000 FOR UPDATE SKIP LOCKED)
"""

PRUNE_LOGIN_NETWORKS = """
DELETE FROM login_networks WHERE (user_id, network) IN (
    SELECT user_id, network FROM login_networks WHERE last_login_at < now() - interval '31 days' LIMIT 1000
       FOR UPDATE SKIP LOCKED)
"""

# The lowest ids are the oldest rows, so that no index on the time is needed.
PRUNE_AUDIT_LOG = """
DELETE FROM audit_log WHERE id IN (
    SELECT id FROM audit_log WHERE id IN (SELECT id FROM audit_log ORDER BY id LIMIT 1000)
       AND at < now() - make_interval(days => %s) FOR UPDATE SKIP LOCKED)
"""


class UpkeepStore:
    """Each method is one statement and returns the number of deleted rows."""

    def __init__(self, database: Database, tuning: LiveTuning) -> None:
        self._database, self._tuning = database, tuning

    def prune_sessions(self) -> int:
        """Delete sessions that expired more than a day ago."""
        return self._database.run(PRUNE_SESSIONS)

    def prune_login_networks(self) -> int:
        """Delete networks without a login for 31 days."""
        return self._database.run(PRUNE_LOGIN_NETWORKS)

    def prune_audit_log(self) -> int:
        """Delete rows of the audit log that are older than `accounts.audit_days`."""
        return self._database.run(PRUNE_AUDIT_LOG, self._tuning.current.accounts.audit_days)
