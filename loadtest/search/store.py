"""SQL of the benchmark: its catalogue, the table of the usual stack, and words and values to search for."""

import json
from dataclasses import dataclass
from typing import Any

import psycopg2

WITHOUT_LIMITS = "-c statement_timeout=0 -c maintenance_work_mem=1GB -c max_parallel_maintenance_workers=0"

FIND_INDEX = "SELECT indexdef FROM pg_indexes WHERE indexname = 'posting_words'"

DROP_INDEX = "DROP INDEX posting_words"

# The columns of a posting as they are found by, in one table with a generated column, as PostgreSQL's manual has it.
USUAL_TABLE = """
CREATE TABLE IF NOT EXISTS usual_job (
    id           bigint PRIMARY KEY,
    company      text NOT NULL,
    title        text NOT NULL,
    description  text NOT NULL,
    country      text,
    published_at timestamptz NOT NULL,
    search       tsvector GENERATED ALWAYS AS (
        setweight(to_tsvector('english', title), 'A') || to_tsvector('english', description)) STORED
)
"""

FILL_USUAL = """
INSERT INTO usual_job (id, company, title, description, country, published_at)
SELECT p.id, c.name, t.title, regexp_replace(t.description, '<[^>]*>', ' ', 'g'), t.detail #>> '{places,0,country}',
       p.published_at
  FROM posting p JOIN posting_text t ON t.posting_id = p.id JOIN companies c ON c.id = p.company_id
 WHERE p.shown AND p.id > (SELECT COALESCE(max(id), 0) FROM usual_job) ORDER BY p.id LIMIT 100000
"""

INDEX_USUAL = "CREATE INDEX IF NOT EXISTS usual_job_search ON usual_job USING gin (search)"

SAMPLE = """
SELECT p.company_id, t.title, t.description, t.detail::text
  FROM posting p JOIN posting_text t ON t.posting_id = p.id
 WHERE p.id IN (SELECT (random() * (SELECT max(id) FROM posting))::bigint FROM generate_series(1, %s)) AND p.shown
"""

BACKEND = "SELECT pg_backend_pid()"

FREQUENCIES = "SELECT term, df::float8 / (SELECT df FROM term_count WHERE term = 0) FROM lexicon"


@dataclass(frozen=True, slots=True)
class Sampled:
    """What a posting could be searched by; `detail` is that of `app/jobs/schemas.py`."""

    company_id: int
    title: str
    description: str
    detail: dict[str, Any]


def run(url: str, *statements: str) -> int:
    """Run statements without limits of time; returns how many rows the last one has changed."""
    connection = psycopg2.connect(url, options=WITHOUT_LIMITS)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            for each in statements:
                cursor.execute(each)
            return cursor.rowcount
    finally:
        connection.close()


def rows(url: str, statement: str, *params: Any) -> list[tuple[Any, ...]]:
    connection = psycopg2.connect(url, options=WITHOUT_LIMITS)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement, params or None)
            return cursor.fetchall()
    finally:
        connection.close()


def fill_usual(url: str) -> None:
    """Make the table of the usual stack."""
    run(url, USUAL_TABLE)
    while run(url, FILL_USUAL):
        pass
    run(url, INDEX_USUAL, "VACUUM (ANALYZE) usual_job")


def sampled(url: str, many: int) -> list[Sampled]:
    """About as many postings, drawn at random."""
    return [Sampled(row[0], row[1], row[2], json.loads(row[3])) for row in rows(url, SAMPLE, many)]


def frequencies(url: str) -> dict[str, float]:
    """The share of postings whose text has a lexeme."""
    return dict(rows(url, FREQUENCIES))
