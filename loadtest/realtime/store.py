"""SQL of the benchmark of the realtime gateway: sessions, and events for accounts."""

import json
from collections.abc import Sequence

import psycopg2

INSERT_SESSIONS = """
INSERT INTO sessions (user_id, epoch, family, refresh_hash, expires_at)
SELECT u.id, u.token_epoch, uuid_send(gen_random_uuid()), sha256(uuid_send(gen_random_uuid())), now() + interval '1 day'
  FROM unnest(%s::text[]) WITH ORDINALITY AS given (email, number) JOIN users u USING (email) ORDER BY given.number
RETURNING user_id, id
"""

SEND = "SELECT stream_to(reader, 'alerts.matched', %s::jsonb) FROM unnest(%s::bigint[]) AS reader"


class Writer:
    """A connection to PostgreSQL past PgBouncer; each method is one transaction."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg2.connect(url)
        self._connection.autocommit = True

    def insert_sessions(self, emails: Sequence[str]) -> list[tuple[int, int]]:
        """(user id, session id) of a new session for each address, in the same order."""
        with self._connection.cursor() as cursor:
            cursor.execute(INSERT_SESSIONS, (list(emails),))
            return [(row[0], row[1]) for row in cursor.fetchall()]

    def send(self, number: int, user_ids: Sequence[int]) -> None:
        """Write an event with this number for each account; it is committed when this returns."""
        with self._connection.cursor() as cursor:
            cursor.execute(SEND, (json.dumps({"n": number}), list(user_ids)))

    def close(self) -> None:
        self._connection.close()
