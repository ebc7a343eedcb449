"""SQL of the suppression list: addresses that get no mail."""

from app.infra.postgres.database import Database

FIND_SUPPRESSED = "SELECT reason FROM mail_suppression WHERE address = %s"

SUPPRESS = """
INSERT INTO mail_suppression (address, reason) VALUES (%s, %s)
    ON CONFLICT (address) DO UPDATE SET reason = excluded.reason
"""

ALLOW = "DELETE FROM mail_suppression WHERE address = %s"


class SuppressionStore:
    """Each method is one statement; addresses are in canonical form."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, address: str) -> str | None:
        """Why the address gets no mail; None if it does."""
        row = self._database.one(FIND_SUPPRESSED, address)
        return None if row is None else str(row[0])

    def suppress(self, address: str, reason: str) -> None:
        self._database.run(SUPPRESS, address, reason)

    def allow(self, address: str) -> bool:
        """Whether the address was on the list."""
        return self._database.run(ALLOW, address) > 0
