"""SQL of the audit log."""

from app.auth.schemas import Client
from app.infra.postgres.database import Database, Statement

RECORD_FAILED_LOGIN = Statement(
    "record_failed_login",
    ("bigint", "text", "inet", "text"),
    """
INSERT INTO audit_log (event, user_id, agent, address, request_id) VALUES ('login_failed', $1, $2, $3, $4)
""",
)

RECORD_REFUSED_GUESS = """
INSERT INTO audit_log (event, user_id, agent, address, request_id, detail)
VALUES ('guess_refused', %s, %s, %s::inet, %s, jsonb_build_object('policy', %s::text))
"""

PREPARED = (RECORD_FAILED_LOGIN,)


class AuditStore:
    """Each method is one statement."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record_failed_login(self, user_id: int | None, client: Client) -> None:
        """`user_id` is None for an address without an account."""
        self._database.run(RECORD_FAILED_LOGIN, user_id, client.agent, client.address, client.request_id)

    def record_refused_guess(self, policy: str, user_id: int | None, client: Client) -> None:
        """`policy` is the name of the limit that was reached."""
        self._database.run(RECORD_REFUSED_GUESS, user_id, client.agent, client.address, client.request_id, policy)
