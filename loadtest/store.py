"""SQL of the benchmark: creates sessions and passwords faster than real logins, and holds snapshots."""

import psycopg2

INSERT_SESSIONS = """
INSERT INTO sessions (user_id, epoch, family, refresh_hash, expires_at)
SELECT id, token_epoch, uuid_send(gen_random_uuid()), sha256(uuid_send(gen_random_uuid())), now() + interval '1 day'
  FROM users ORDER BY id LIMIT %s
RETURNING user_id, id
"""

REPLACE_HASHES = "UPDATE users SET password_hash = %s"


HOLD_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM procrastinate_jobs"


def replace_hashes(database_url: str, password_hash: bytes) -> None:
    """Give every user this password hash."""
    with psycopg2.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.execute(REPLACE_HASHES, (password_hash,))


def insert_sessions(database_url: str, users: int) -> list[tuple[int, int]]:
    """Open one session for each of the first `users` users; returns (user, session)."""
    with psycopg2.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.execute(INSERT_SESSIONS, (users,))
        return [(row[0], row[1]) for row in cursor.fetchall()]
