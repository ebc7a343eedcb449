"""SQL of the benchmark of saved searches."""

from collections.abc import Sequence

from app.alerts.queries import matched_form
from app.infra.postgres.database import Database

ADD_USERS = """
INSERT INTO users (email, name, password_hash) SELECT 'bench' || n || '@alerts.example', 'Bench', ''
  FROM generate_series(1, %s) AS n RETURNING id
"""

ADD_QUERIES = """
INSERT INTO alert_query (query) SELECT DISTINCT unnest(%s::text[])
    ON CONFLICT (sha256(query::bytea)) DO NOTHING
"""

ADD_SEARCHES = """
INSERT INTO saved_search (user_id, name, query, query_id, frequency)
SELECT user_id, 'Bench', given.query, q.id, CASE WHEN random() < 0.01 THEN 'instant' ELSE 'daily' END
  FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS given (user_id, query, matched)
  JOIN alert_query q ON sha256(q.query::bytea) = sha256(matched::bytea)
"""

SKIP_EVENTS = """
UPDATE alert_position
   SET (era, xid, id) = (SELECT era, xid, id FROM event ORDER BY era DESC, xid DESC, id DESC LIMIT 1)
"""

BACKEND = "SELECT pg_backend_pid()"

SIZES = """
SELECT (SELECT count(*) FROM saved_search), (SELECT count(*) FROM alert_query), (SELECT count(*) FROM alert_branch),
       pg_total_relation_size('alert_branch')
"""

MATCHES = "SELECT count(*), pg_total_relation_size('query_match') FROM query_match"

NEWEST = "SELECT id FROM posting WHERE shown ORDER BY id DESC LIMIT %s"


def add_users(database: Database, many: int) -> list[int]:
    """Accounts that save searches."""
    return [row[0] for row in database.all(ADD_USERS, many)]


def add_searches(database: Database, users: Sequence[int], queries: Sequence[str]) -> None:
    """Save a search for each of the accounts."""
    matched = [matched_form(query) for query in queries]
    database.run(ADD_QUERIES, matched)
    database.run(ADD_SEARCHES, list(users), list(queries), matched)
