"""SQL of the benchmark: creates sessions and passwords faster than real logins, and holds snapshots."""

from contextlib import closing

import psycopg2

INSERT_SESSIONS = """
INSERT INTO sessions (user_id, epoch, family, refresh_hash, expires_at)
SELECT id, token_epoch, uuid_send(gen_random_uuid()), sha256(uuid_send(gen_random_uuid())), now() + interval '1 day'
  FROM users ORDER BY id LIMIT %s
RETURNING user_id, id
"""

MAKE_PEER_JOBS = """
CREATE TABLE peer_job AS
SELECT p.id, p.company_id, p.published_at, p.valid_through, p.title_tsv, p.body_tsv, t.title, t.description,
       COALESCE(t.detail ->> 'workplace', 'onsite') AS workplace, t.detail ->> 'seniority' AS seniority,
       ARRAY(SELECT json_array_elements_text(t.detail -> 'employment_type')) AS employment_type,
       ARRAY(SELECT json_array_elements_text(t.detail -> 'skills')) AS skills
  FROM posting p JOIN posting_text t ON t.posting_id = p.id WHERE p.shown;
ALTER TABLE peer_job ADD PRIMARY KEY (id);
CREATE INDEX ON peer_job USING gin (body_tsv)
"""

LIST_OPEN = "SELECT id FROM posting WHERE shown ORDER BY id"

REPLACE_HASHES = "UPDATE users SET password_hash = %s"


HOLD_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM procrastinate_jobs"


def replace_hashes(database_url: str, password_hash: bytes) -> None:
    """Give every user this password hash."""
    with psycopg2.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.execute(REPLACE_HASHES, (password_hash,))


def make_peer_jobs(database_url: str) -> None:
    """Copy the open postings into a plain table, as a peer has it."""
    with psycopg2.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.execute(MAKE_PEER_JOBS)
    with closing(psycopg2.connect(database_url)) as connection:
        connection.autocommit = True
        connection.cursor().execute("VACUUM ANALYZE")


def insert_sessions(database_url: str, users: int) -> list[tuple[int, int]]:
    """Open one session for each of the first `users` users; returns (user, session)."""
    with psycopg2.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.execute(INSERT_SESSIONS, (users,))
        return [(row[0], row[1]) for row in cursor.fetchall()]


def list_open(database_url: str) -> list[int]:
    """The ids of the open postings, the first added first."""
    with psycopg2.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.execute(LIST_OPEN)
        return [row[0] for row in cursor.fetchall()]
