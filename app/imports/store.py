"""SQL of imports: where postings come from, and runs of feeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.coherence import company_key
from app.coherence.store import unpublished_with
from app.imports.schemas import Run
from app.infra.postgres.database import Database, Transaction
from app.users.store import utc

EXTENDED_WITHIN_DAYS = 30
"""A posting whose line does not say until when is extended by another import once it has fewer days left."""

SILENT_S = 900
"""A run that shows no sign of life for so long no longer keeps others of its source from starting."""

SILENT_COMMAND_S = 60
"""The same for a run of the command, which renews it again and again."""

# OFFSET 0 has each line looked up in the indexes, whatever the planner knows of tables that have just grown.
LIST_KNOWN = """
SELECT named.external_id, o.posting_id, p.version,
       o.hash = named.hash AND p.state = 'open' AND p.valid_through > now()
       AND (o.dated OR p.valid_through > now() + make_interval(days => %s))
  FROM unnest(%s::text[], %s::bytea[]) AS named (external_id, hash)
 CROSS JOIN LATERAL (
       SELECT posting_id, hash, dated FROM posting_origin
        WHERE (company_id, source, external_id) = (%s, %s, named.external_id) OFFSET 0) AS o
 CROSS JOIN LATERAL (SELECT version, state, valid_through FROM posting WHERE id = o.posting_id OFFSET 0) AS p
"""

VERSIONS = "SELECT id, version FROM posting WHERE id = ANY (%s)"

INSERT_ORIGINS = """
INSERT INTO posting_origin (company_id, source, external_id, posting_id, hash, dated)
SELECT %s, %s, * FROM unnest(%s::text[], %s::bigint[], %s::bytea[], %s::boolean[]) ON CONFLICT DO NOTHING
"""

UPDATE_ORIGINS = """
UPDATE posting_origin o SET hash = r.hash, dated = r.dated
  FROM unnest(%s::bigint[], %s::bytea[], %s::boolean[]) AS r (posting_id, hash, dated) WHERE o.posting_id = r.posting_id
"""

_RUN = """id, source, state, started_at, active_at, ended_at, created, changed, unchanged, refused, unnamed, closed"""

ABANDON = """
UPDATE feed_run SET state = 'abandoned', ended_at = now()
 WHERE company_id = %s AND source = %s AND state IN ('open', 'committing')
   AND active_at < now() - make_interval(secs => silent_seconds)
"""

START = f"""
INSERT INTO feed_run (company_id, source, silent_seconds) VALUES (%s, %s, %s)
    ON CONFLICT (company_id, source) WHERE state IN ('open', 'committing') DO NOTHING
RETURNING {_RUN}
"""

FIND_UNDER_WAY = f"""
SELECT {_RUN} FROM feed_run WHERE company_id = %s AND source = %s AND state IN ('open', 'committing')
"""

FIND_RUN = f"SELECT {_RUN} FROM feed_run WHERE company_id = %s AND source = %s AND id = %s"

ADD_PART = """
WITH found AS (
    UPDATE feed_run SET active_at = now(), created = created + %s, changed = changed + %s, unchanged = unchanged + %s,
           refused = refused + %s, unnamed = unnamed + %s
     WHERE id = %s AND state = 'open' RETURNING id
)
INSERT INTO feed_part (run_id, postings) SELECT id, %s::bigint[] FROM found
"""

MOVE = f"""
UPDATE feed_run SET state = %s, active_at = now(), ended_at = CASE WHEN %s THEN now() END
 WHERE company_id = %s AND source = %s AND id = %s AND state = ANY (%s) RETURNING {_RUN}
"""

FORGET_PARTS = "DELETE FROM feed_part WHERE run_id = %s"

RENEW = "UPDATE feed_run SET active_at = now() WHERE id = %s AND state IN ('open', 'committing')"

IS_FED = """
SELECT FROM feed_run WHERE state IN ('open', 'committing') AND silent_seconds <= %s
   AND active_at >= now() - make_interval(secs => silent_seconds) LIMIT 1
"""

COUNT_CLOSED = "UPDATE feed_run SET closed = closed + %s, active_at = now() WHERE id = %s"

TIME_FOR_ALL = "SELECT set_config('statement_timeout', '60s', true)"
"""For statements about all postings of a source."""

COUNT_OPEN = """
SELECT count(*) FROM posting_origin o JOIN posting p ON p.id = o.posting_id
 WHERE o.company_id = %s AND o.source = %s AND p.state = 'open' AND p.valid_through > now()
"""

LIST_UNNAMED = """
SELECT id FROM posting JOIN (
       SELECT posting_id FROM posting_origin WHERE company_id = %s AND source = %s
       EXCEPT SELECT unnest(postings) FROM feed_part WHERE run_id = %s) AS unnamed ON id = posting_id
 WHERE state = 'open' AND valid_through > now() ORDER BY id
"""

STANDING = """
SELECT CASE WHEN state IN ('open', 'committing') AND active_at < now() - make_interval(secs => silent_seconds)
            THEN 'abandoned'
            WHEN state = 'committed' AND refused > created + changed + unchanged THEN 'failing'
            WHEN state IN ('open', 'committing') THEN 'running' ELSE state END AS standing, count(*)
  FROM (SELECT DISTINCT ON (company_id, source) * FROM feed_run ORDER BY company_id, source, id DESC) AS latest
 GROUP BY standing
"""

PRUNE = "DELETE FROM feed_run WHERE ended_at < now() - interval '90 days'"

STANDINGS = ("running", "committed", "ended", "failing", "abandoned")


@dataclass(frozen=True, slots=True)
class Known:
    """An imported posting; `same` says that it is open and was written from the same line."""

    posting_id: int
    version: int
    same: bool


@dataclass(frozen=True, slots=True)
class Origin:
    """The row of an imported posting."""

    external_id: str
    posting_id: int
    hash: bytes
    dated: bool


class ImportStore:
    """Each method is one statement unless it says otherwise."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_known(
        self, company_id: int, source: str, external_ids: Sequence[str], hashes: Sequence[bytes]
    ) -> dict[str, Known]:
        """Those that were imported before, by external id."""
        asked = (EXTENDED_WITHIN_DAYS, list(external_ids), list(hashes), company_id, source)
        return {row[0]: Known(*row[1:]) for row in self._database.all(LIST_KNOWN, *asked)} if external_ids else {}

    def unpublished(self, company_id: int) -> list[str]:
        """Keys of committed imports of the company that may not be final yet."""
        return unpublished_with(self._database, company_key(company_id))

    def start(self, company_id: int, source: str, silent_s: int) -> Run | None:
        """A new run; None if one is under way. Two statements: first an abandoned one ends."""
        self._database.run(ABANDON, company_id, source)
        return _run(self._database.one(START, company_id, source, silent_s))

    def renew(self, run_id: int) -> None:
        """Show that whoever feeds the run still does. Raises Unavailable."""
        self._database.run(RENEW, run_id)

    def is_fed(self) -> bool:
        """Whether a command is feeding a run."""
        return self._database.one(IS_FED, SILENT_COMMAND_S) is not None

    def under_way(self, company_id: int, source: str) -> Run | None:
        return _run(self._database.one(FIND_UNDER_WAY, company_id, source))

    def find(self, company_id: int, source: str, run_id: int) -> Run | None:
        return _run(self._database.one(FIND_RUN, company_id, source, run_id))

    def add_part(self, run_id: int, counts: Sequence[int], posting_ids: Sequence[int]) -> bool:
        """Add lines to an open run, with the postings they named; `counts` are in the order of the columns."""
        return self._database.run(ADD_PART, *counts, run_id, list(posting_ids)) > 0

    def move(self, company_id: int, source: str, run_id: int, state: str, before: Sequence[str]) -> Run | None:
        """Change the state of a run that has one of those in `before`; None if it has not."""
        ends = state not in ("open", "committing")
        found = _run(self._database.one(MOVE, state, ends, company_id, source, run_id, list(before)))
        if found is not None and ends:
            self._database.run(FORGET_PARTS, run_id)
        return found

    def count_closed(self, run_id: int, closed: int) -> None:
        self._database.run(COUNT_CLOSED, closed, run_id)

    def count_open(self, company_id: int, source: str) -> int:
        """Open postings of a source."""
        [(count,)] = self._all(COUNT_OPEN, company_id, source)
        return int(count)

    def list_unnamed(self, company_id: int, source: str, run_id: int) -> list[int]:
        """Open postings of the source that no line of the run named."""
        return [row[0] for row in self._all(LIST_UNNAMED, company_id, source, run_id)]

    def _all(self, statement: str, *params: Any) -> list[tuple[Any, ...]]:
        with self._database.transaction() as transaction:
            transaction.one(TIME_FOR_ALL)
            return transaction.all(statement, *params)

    def standing(self) -> dict[str, int]:
        """How many sources there are by what became of their latest run; raises Unavailable."""
        return dict.fromkeys(STANDINGS, 0) | dict(self._database.all(STANDING))

    def prune(self) -> int:
        """Remove runs that ended 90 days ago."""
        return self._database.run(PRUNE)


def versions(transaction: Transaction, posting_ids: Sequence[int]) -> dict[int, int]:
    """The versions of locked postings."""
    return dict(transaction.all(VERSIONS, list(posting_ids)))


def write_origins(
    transaction: Transaction, company_id: int, source: str, new: Sequence[Origin], old: Sequence[Origin]
) -> bool:
    """Whether none of the new ones was there already."""
    if old:
        transaction.run(UPDATE_ORIGINS, *_columns([(each.posting_id, each.hash, each.dated) for each in old]))
    if not new:
        return True
    rows = [(each.external_id, each.posting_id, each.hash, each.dated) for each in new]
    return transaction.run(INSERT_ORIGINS, company_id, source, *_columns(rows)) == len(new)


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _run(row: tuple[Any, ...] | None) -> Run | None:
    if row is None:
        return None
    times = (utc(row[3]), utc(row[4]), None if row[5] is None else utc(row[5]))
    return Run(row[0], row[1], row[2], *times, *row[6:])
