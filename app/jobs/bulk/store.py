"""SQL that writes many postings in one transaction, which locks clusters in the order of their ids, then postings."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from app.companies.store import lock_open
from app.infra.postgres.database import Transaction
from app.jobs.indexing import Indexed
from app.jobs.schemas import Posting
from app.users.store import utc

BULK = "SELECT set_config('jobfinder.bulk', 'on', true)"

RESERVE = "SELECT nextval(pg_get_serial_sequence('posting', 'id')) FROM generate_series(1, %s)"

ADD_CLUSTERS = """
INSERT INTO posting_cluster (company_id, fingerprint)
SELECT %s, asked FROM unnest(%s::bytea[]) AS asked
 WHERE (SELECT id FROM posting_cluster WHERE (company_id, fingerprint) = (%s, asked)) IS NULL
 ORDER BY asked ON CONFLICT DO NOTHING
"""

# Each part of the union uses an index; OR would read every cluster of the company.
LOCK_CLUSTERS = """
SELECT id, fingerprint FROM posting_cluster
 WHERE id = ANY (ARRAY(
       SELECT id FROM posting_cluster WHERE company_id = %s AND fingerprint = ANY (%s::bytea[])
        UNION SELECT cluster_id FROM posting WHERE id = ANY (%s)))
 ORDER BY id FOR UPDATE
"""

LOCK_POSTINGS = "SELECT id, cluster_id FROM posting WHERE id = ANY (%s) ORDER BY id FOR UPDATE"

# OFFSET 0 has each cluster looked up in the index, whatever the planner knows of a table that has just grown.
_OPEN_MEMBERS = """
unnest(%s::bigint[]) AS cluster CROSS JOIN LATERAL (
       SELECT * FROM posting WHERE cluster_id = cluster AND state = 'open' OFFSET 0) AS member
"""

LIST_MEMBERS = f"""
SELECT id, cluster_id, strayed, shown, siblings, valid_through FROM {_OPEN_MEMBERS} WHERE valid_through > now()
"""

# Before and after the change: every search that may find a member of these clusters.
NOTE_CATALOGUE = f"""
INSERT INTO outbox (key)
SELECT catalogue_keys(array_agg(DISTINCT number))
  FROM {_OPEN_MEMBERS} LEFT JOIN LATERAL unnest(terms) AS number ON true WHERE shown HAVING count(*) > 0
"""

NOTE_COMPANY = "INSERT INTO outbox (key) VALUES ('company:' || %s::bigint)"

_RECORD = """
json_to_recordset(%s::json) AS r (id bigint, company_id bigint, cluster_id bigint, strayed boolean, shown boolean,
    siblings int, published_at timestamptz, valid_through timestamptz, content boolean, salary int, rates_of date,
    lats float8[], lons float8[], terms int[], title_tsv tsvector, body text[], title text, description text,
    detail json)
"""

INSERT_POSTINGS = f"""
INSERT INTO posting (id, company_id, cluster_id, state, strayed, shown, siblings, published_at, valid_through, salary,
                     salary_rates_of, lats, lons, terms, title_tsv, body_tsv)
OVERRIDING SYSTEM VALUE
SELECT id, company_id, cluster_id, 'open', strayed, shown, siblings, published_at, valid_through, salary, rates_of,
       COALESCE(lats, '{{}}'), COALESCE(lons, '{{}}'), COALESCE(terms, '{{}}'), COALESCE(title_tsv, ''),
       COALESCE(array_to_tsvector(body), '')
  FROM {_RECORD}
"""

INSERT_TEXTS = f"""
INSERT INTO posting_text (posting_id, title, description, detail) SELECT id, title, description, detail FROM {_RECORD}
"""

_SHOWN_COLUMNS = """
       salary = CASE WHEN r.shown THEN r.salary ELSE p.salary END,
       salary_rates_of = CASE WHEN r.shown THEN r.rates_of ELSE p.salary_rates_of END,
       lats = CASE WHEN r.shown THEN r.lats ELSE p.lats END, lons = CASE WHEN r.shown THEN r.lons ELSE p.lons END,
       terms = CASE WHEN r.shown THEN r.terms ELSE p.terms END,
       title_tsv = CASE WHEN r.shown THEN r.title_tsv ELSE p.title_tsv END,
       body_tsv = CASE WHEN r.shown THEN array_to_tsvector(r.body) ELSE p.body_tsv END
"""

UPDATE_POSTINGS = f"""
UPDATE posting p
   SET state = 'open', strayed = r.strayed, shown = r.shown, siblings = r.siblings, published_at = r.published_at,
       valid_through = r.valid_through, version = p.version + 1,
       content_changed_at = CASE WHEN r.content THEN now() ELSE p.content_changed_at END, {_SHOWN_COLUMNS}
  FROM {_RECORD} WHERE p.id = r.id
"""

UPDATE_TEXTS = f"""
UPDATE posting_text t SET title = r.title, description = r.description, detail = r.detail
  FROM {_RECORD} WHERE t.posting_id = r.id AND r.content
"""

SHOW = f"UPDATE posting p SET shown = r.shown, siblings = r.siblings, {_SHOWN_COLUMNS} FROM {_RECORD} WHERE p.id = r.id"

CLOSE = """
UPDATE posting SET state = 'closed', shown = false, siblings = 0, version = version + 1
 WHERE id = ANY (%s) AND state = 'open'
"""

_TEXTS = ("title", "description", "detail")
_OF_TEXTS = ("id", "content", *_TEXTS)
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Member:
    """An open posting of a cluster."""

    id: int
    cluster_id: int
    strayed: bool
    shown: bool
    siblings: int
    valid_through: datetime


@dataclass(frozen=True, slots=True)
class Shown:
    """How a posting is to be shown: for how many others it stands, and its search columns."""

    siblings: int
    written: Indexed


def begin(transaction: Transaction, company_id: int) -> bool:
    """Whether the company is open, which it stays; triggers note no key for each posting, `note_catalogue` does it."""
    transaction.one(BULK)
    return lock_open(transaction, company_id)


def reserve(transaction: Transaction, many: int) -> list[int]:
    """New ids, rising."""
    return sorted(row[0] for row in transaction.all(RESERVE, many)) if many else []


def lock_clusters(
    transaction: Transaction, company_id: int, fingerprints: Sequence[bytes], posting_ids: Sequence[int]
) -> dict[int, bytes]:  # fmt: skip
    """The fingerprints of the locked clusters: those of the postings, and one for each fingerprint, new if needed."""
    wanted = sorted(set(fingerprints))
    if wanted:
        transaction.run(ADD_CLUSTERS, company_id, wanted, company_id)
    rows = transaction.all(LOCK_CLUSTERS, company_id, wanted, list(posting_ids))
    return {row[0]: bytes(row[1]) for row in rows}


def lock_postings(transaction: Transaction, posting_ids: Sequence[int]) -> dict[int, int]:
    """The cluster of each posting."""
    return dict(transaction.all(LOCK_POSTINGS, list(posting_ids)))


def members(transaction: Transaction, cluster_ids: Iterable[int]) -> list[Member]:
    """Every open posting of the clusters."""
    rows = transaction.all(LIST_MEMBERS, list(cluster_ids))
    return [Member(row[0], row[1], row[2], row[3], row[4], utc(row[5])) for row in rows]


def note_catalogue(transaction: Transaction, cluster_ids: Iterable[int]) -> None:
    """Note the keys of the searches that find the clusters now."""
    transaction.run(NOTE_CATALOGUE, list(cluster_ids))


def note_company(transaction: Transaction, company_id: int) -> None:
    """Note that every cached posting of the company may have changed."""
    transaction.run(NOTE_COMPANY, company_id)


def record(posting: Posting, cluster_id: int, strayed: bool, content: bool, shown: Shown | None) -> dict[str, Any]:
    """A row for the statements that write postings; `content` says that its texts have changed."""
    return {
        "id": posting.id,
        "company_id": posting.company_id,
        "cluster_id": cluster_id,
        "strayed": strayed,
        "published_at": posting.published_at,
        "valid_through": posting.valid_through,
        "content": content,
        "title": posting.title,
        "description": posting.description,
        "detail": posting.detail,
    } | shown_columns(shown)


def shown_columns(shown: Shown | None) -> dict[str, Any]:
    """The part of a row that says how its posting is shown; None: it is not."""
    if shown is None:
        return {"shown": False, "siblings": 0}
    written = shown.written
    return {
        "shown": True,
        "siblings": shown.siblings,
        "salary": written.salary,
        "rates_of": written.rates_of,
        "lats": written.lats,
        "lons": written.lons,
        "terms": written.terms,
        "title_tsv": written.title_tsv,
        "body": written.body_lexemes,
    }


def insert(transaction: Transaction, rows: Sequence[dict[str, Any]]) -> None:
    _run(transaction, (INSERT_POSTINGS, INSERT_TEXTS), rows)


def update(transaction: Transaction, rows: Sequence[dict[str, Any]]) -> None:
    _run(transaction, (UPDATE_POSTINGS, UPDATE_TEXTS), rows)


def show(transaction: Transaction, rows: Sequence[dict[str, Any]]) -> None:
    """Show or hide postings that do not change themselves."""
    _run(transaction, (SHOW,), rows)


def close(transaction: Transaction, posting_ids: Sequence[int]) -> int:
    """Close open postings; returns how many."""
    return transaction.run(CLOSE, list(posting_ids)) if posting_ids else 0


def _run(transaction: Transaction, statements: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    """Run a statement for postings and one for their texts, each with the columns that it needs."""
    if rows:
        texts = [{name: row[name] for name in _OF_TEXTS if name in row} for row in rows]
        others = [{name: value for name, value in row.items() if name not in _TEXTS} for row in rows]
        for statement, several in zip(statements, (others, texts), strict=False):
            transaction.run(statement, _encode(several).decode())
