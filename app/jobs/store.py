"""SQL of postings; a change of what searches show locks the company's row, then the cluster's, then the posting's."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from app.coherence import job_key
from app.coherence.store import changed_keys, unpublished_with
from app.infra.postgres.database import Database, Statement, Transaction
from app.jobs.codes.terms import KIND_BITS, Kind
from app.jobs.indexing import Indexed, NamedValue
from app.jobs.query.compiled import Name
from app.jobs.results import AlsoAt
from app.jobs.schemas import Detail, Place, Posting, TakenDown
from app.users.store import utc

_COLUMNS = """p.id, p.company_id, p.state, p.version, t.title, t.description, t.detail::text, p.published_at,
 p.valid_through, p.first_seen_at, p.content_changed_at, p.taken_down_at, p.taken_down_reason"""
_JOINED = "posting p JOIN posting_text t ON t.posting_id = p.id"
_STATE = f"{_COLUMNS}, GREATEST(extract(epoch FROM p.valid_through - now()), 0)::float8"

FIND_POSTING = Statement(
    "find_posting", ("bigint",), f"SELECT {_STATE} FROM {_JOINED} WHERE p.id = $1", readonly=True
)  # fmt: skip

FIND_POSTINGS = Statement(
    "find_postings", ("bigint[]",), f"SELECT {_STATE} FROM {_JOINED} WHERE p.id = ANY ($1)", readonly=True
)

LIST_SIZES = """
SELECT posting_id, octet_length(title) + octet_length(description) + octet_length(detail::text) FROM posting_text
 WHERE posting_id = ANY (%s)
"""

LIST_BY_COMPANY = f"""
SELECT {_COLUMNS} FROM {_JOINED}
 WHERE p.company_id = %s AND p.id < %s AND (%s::text[] IS NULL OR p.state = ANY (%s)) ORDER BY p.id DESC LIMIT %s
"""

NUMBER = f"""
INSERT INTO term (id, kind, country, name, label)
SELECT kind << {KIND_BITS} | nextval('term_number')::int, kind, country, name, label
  FROM unnest(%s::int[], %s::text[], %s::text[], %s::text[]) AS asked (kind, country, name, label)
 WHERE NOT EXISTS (SELECT FROM term t WHERE (t.kind, t.country, t.name) = (asked.kind, asked.country, asked.name))
 ORDER BY kind, name, country
    ON CONFLICT DO NOTHING
"""

LIST_NUMBERS = """
SELECT id, kind, country, name FROM term JOIN unnest(%s::int[], %s::text[], %s::text[]) AS asked (kind, country, name)
 USING (kind, country, name)
"""

LABELS = "SELECT id, label, country FROM term WHERE id = ANY (%s)"

INSERT_POSTING = """
INSERT INTO posting (company_id, state, published_at, valid_through)
SELECT id, 'draft', NULL, %s FROM companies WHERE id = %s AND closed_at IS NULL FOR SHARE
RETURNING id
"""

INSERT_TEXT = "INSERT INTO posting_text (posting_id, title, description, detail) VALUES (%s, %s, %s, %s::json)"

LOCK_CLUSTER = (
    "SELECT id, fingerprint FROM posting_cluster WHERE id = (SELECT cluster_id FROM posting WHERE id = %s) FOR UPDATE"
)

CLUSTER_LIKE = """
INSERT INTO posting_cluster (company_id, fingerprint) VALUES (%s, %s)
    ON CONFLICT (company_id, fingerprint) DO UPDATE SET fingerprint = EXCLUDED.fingerprint
RETURNING id, fingerprint
"""

LOCK_POSTING = f"""
SELECT {_COLUMNS}, p.cluster_id, now() FROM {_JOINED}
 WHERE p.id = %s FOR UPDATE OF p
"""

CHANGE_POSTING = """
UPDATE posting SET state = %s, shown = shown AND %s = 'open', cluster_id = %s, strayed = %s, published_at = %s,
       valid_through = %s, version = version + 1,
       content_changed_at = CASE WHEN %s THEN now() ELSE content_changed_at END
 WHERE id = %s
"""

CHANGE_TEXT = "UPDATE posting_text SET title = %s, description = %s, detail = %s::json WHERE posting_id = %s"

LIST_MEMBERS = """
SELECT id, strayed, shown, siblings FROM posting
 WHERE cluster_id = %s AND state = 'open' AND valid_through > now() ORDER BY valid_through DESC, id DESC
"""

HIDE = "UPDATE posting SET shown = false, siblings = 0 WHERE id = ANY (%s) AND (shown OR siblings > 0)"

SHOW = """
UPDATE posting SET shown = true, siblings = %s, salary = %s, salary_rates_of = %s::date, lats = %s, lons = %s,
       terms = %s::int[], title_tsv = %s::tsvector, body_tsv = array_to_tsvector(%s::text[])
 WHERE id = %s
"""

LIST_PLACES = "SELECT detail::text FROM posting_text WHERE posting_id = ANY (%s) ORDER BY posting_id"

DELETE_DRAFT = """
DELETE FROM posting WHERE id = %s AND state = 'draft' AND version = COALESCE(%s::int, version)
RETURNING pg_current_xact_id()::text
"""

CATALOGUE_OF = "SELECT DISTINCT catalogue_keys(terms) FROM posting WHERE company_id = %s AND shown"

ALSO_AT = """
SELECT s.id, p.id, t.detail::text, extract(epoch FROM p.valid_through - now())::float8
  FROM posting s JOIN posting p ON p.cluster_id = s.cluster_id AND p.id <> s.id AND p.state = 'open' AND NOT p.strayed
  JOIN posting_text t ON t.posting_id = p.id
 WHERE s.id = ANY (%s) AND p.valid_through > now() ORDER BY p.id
"""

PREPARED = (FIND_POSTING, FIND_POSTINGS)
_decode_detail = msgspec.json.Decoder(Detail).decode


@dataclass(frozen=True, slots=True)
class Locked:
    """A posting locked by this transaction, with the time of the transaction."""

    posting: Posting
    cluster_id: int | None
    now: datetime


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster, whose row is locked while its shown member is chosen."""

    id: int
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Member:
    """An open posting of a cluster."""

    id: int
    strayed: bool
    shown: bool
    siblings: int


class PostingStore:
    """Reads postings; writes are the functions below, inside a transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def transaction(self) -> AbstractContextManager[Transaction]:
        return self._database.transaction()

    def find(self, posting_id: int) -> tuple[Posting, float] | None:
        """A posting, and the seconds until it expires."""
        row = self._database.one(FIND_POSTING, posting_id)
        return None if row is None else (_posting(row), row[-1])

    def list_by_ids(self, posting_ids: Sequence[int]) -> dict[int, tuple[Posting, float]]:
        rows = self._database.all(FIND_POSTINGS, list(posting_ids))
        return {row[0]: (_posting(row), row[-1]) for row in rows}

    def sizes(self, posting_ids: Sequence[int]) -> dict[int, int]:
        """The bytes of the texts of each; PostgreSQL knows the length of a long description without reading it."""
        return dict(self._database.all(LIST_SIZES, list(posting_ids)))

    def list_by_company(
        self, company_id: int, states: Sequence[str] | None, before: int, limit: int
    ) -> list[Posting]:  # fmt: skip
        """Postings with ids below `before`, the highest first."""
        given = None if states is None else list(states)
        return [_posting(row) for row in self._database.all(LIST_BY_COMPANY, company_id, before, given, given, limit)]

    def number(self, named: Sequence[NamedValue]) -> None:
        """Number the values that have no number yet; inside a longer transaction it would block other writers."""
        if named:
            self._database.run(NUMBER, *_asked(named))

    def numbers(self, named: Sequence[NamedValue]) -> dict[tuple[Name, str], int]:
        """The number of each value, all of which `number` has numbered before."""
        return numbers_of(self._database, named)

    def labels(self, numbers: Sequence[int]) -> dict[int, tuple[str, str]]:
        """(label, country) of each number of the dictionary."""
        rows = self._database.all(LABELS, list(numbers)) if numbers else []
        return {number: (label, country) for number, label, country in rows}

    def also_at(self, posting_ids: Sequence[int]) -> tuple[dict[int, list[AlsoAt]], float | None]:
        """The other open members of the clusters that these postings stand for; the seconds until one of them ends."""
        rows = self._database.all(ALSO_AT, list(posting_ids)) if posting_ids else []
        found: dict[int, list[AlsoAt]] = {}
        for shown, other, detail, _ in rows:
            found.setdefault(shown, []).append(AlsoAt(other, _decode_detail(detail).places))
        return found, min((row[-1] for row in rows), default=None)

    def unpublished(self, posting_id: int) -> list[str]:
        """Every key of the committed changes of a posting that may not be final yet."""
        return unpublished_with(self._database, job_key(posting_id))

    def delete_draft(self, posting_id: int, version: int | None) -> str | None:
        """The transaction's id; None if it is not a draft or not in that version."""
        row = self._database.one(DELETE_DRAFT, posting_id, version)
        return None if row is None else str(row[0])


def insert(transaction: Transaction, company_id: int, posting: Posting) -> int | None:
    """The id of a new draft with the texts of `posting`; None if the company is closed."""
    row = transaction.one(INSERT_POSTING, posting.valid_through, company_id)
    if row is None:
        return None
    detail = msgspec.json.encode(posting.detail).decode()
    transaction.run(INSERT_TEXT, row[0], posting.title, posting.description, detail)
    return int(row[0])


def lock_cluster(transaction: Transaction, posting_id: int) -> Cluster | None:
    """Lock the cluster of a posting; None before the posting is first opened."""
    row = transaction.one(LOCK_CLUSTER, posting_id)
    return None if row is None else Cluster(row[0], bytes(row[1]))


def cluster_like(transaction: Transaction, company_id: int, fingerprint: bytes) -> Cluster:
    """The cluster of a fingerprint, new or existing, locked."""
    (row,) = transaction.all(CLUSTER_LIKE, company_id, fingerprint)
    return Cluster(row[0], bytes(row[1]))


def lock(transaction: Transaction, posting_id: int) -> Locked | None:
    row = transaction.one(LOCK_POSTING, posting_id)
    return None if row is None else Locked(_posting(row), row[-2], utc(row[-1]))


def change(
    transaction: Transaction, posting: Posting, cluster_id: int | None, *, strayed: bool, content: bool
) -> None:  # fmt: skip
    """Update a posting and increment its version; `content` says that its texts have changed."""
    transaction.run(
        CHANGE_POSTING, posting.state, posting.state, cluster_id, strayed, posting.published_at, posting.valid_through,
        content, posting.id,
    )  # fmt: skip
    if content:
        detail = msgspec.json.encode(posting.detail).decode()
        transaction.run(CHANGE_TEXT, posting.title, posting.description, detail, posting.id)


def members(transaction: Transaction, cluster_id: int) -> list[Member]:
    """Open postings of a cluster, the one that is open longest first."""
    return [Member(*row) for row in transaction.all(LIST_MEMBERS, cluster_id)]


def find_in(transaction: Transaction, posting_id: int) -> Posting:
    """An existing posting, as the transaction sees it."""
    (row,) = transaction.all(FIND_POSTING, posting_id)
    return _posting(row)


def find_all_in(transaction: Transaction, posting_ids: Sequence[int]) -> dict[int, Posting]:
    return {row[0]: _posting(row) for row in transaction.all(FIND_POSTINGS, list(posting_ids))}


def places_of(transaction: Transaction, posting_ids: Sequence[int]) -> list[Place]:
    """The places of several postings, each once."""
    rows = transaction.all(LIST_PLACES, list(posting_ids))
    return list(dict.fromkeys(place for row in rows for place in _decode_detail(row[0]).places))


def numbers_of(database: Database | Transaction, named: Sequence[NamedValue]) -> dict[tuple[Name, str], int]:
    """The number of each value; `PostingStore.number` must have run before."""
    rows = database.all(LIST_NUMBERS, *_asked(named)[:3]) if named else []
    return {((Kind(kind), name), country): number for number, kind, country, name in rows}


def hide(transaction: Transaction, posting_ids: Sequence[int]) -> None:
    transaction.run(HIDE, list(posting_ids))


def show(transaction: Transaction, posting_id: int, siblings: int, written: Indexed) -> None:
    transaction.run(
        SHOW, siblings, written.salary, written.rates_of, written.lats, written.lons, written.terms, written.title_tsv,
        written.body_lexemes, posting_id,
    )  # fmt: skip


def keys(transaction: Transaction) -> tuple[str | None, list[str]]:
    """The transaction's id, and the keys that its triggers have written to the outbox."""
    return changed_keys(transaction)


def catalogue_of(transaction: Transaction, company_id: int) -> list[str]:
    """The keys of every search that finds a posting of the company."""
    return [row[0] for row in transaction.all(CATALOGUE_OF, company_id)]


def _asked(named: Sequence[NamedValue]) -> list[list[Any]]:
    columns = zip(*((int(each.kind), each.country, each.name[1], each.label) for each in named), strict=True)
    return [list(column) for column in columns]


def _posting(row: tuple[Any, ...]) -> Posting:
    return Posting(
        id=row[0],
        company_id=row[1],
        state=row[2],
        version=row[3],
        title=row[4],
        description=row[5],
        detail=_decode_detail(row[6]),
        published_at=None if row[7] is None else utc(row[7]),
        valid_through=utc(row[8]),
        first_seen_at=utc(row[9]),
        content_changed_at=utc(row[10]),
        taken_down=None if row[11] is None else TakenDown(utc(row[11]), row[12]),
    )
