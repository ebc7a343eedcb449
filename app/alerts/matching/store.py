"""SQL of matching: the position, branches of queries, the postings of events, and the matches."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import msgspec

from app.alerts.matching.branches import Branch
from app.events.store import Event, Place
from app.infra.postgres.database import Database, Transaction
from app.jobs.query.compiled import Circle, Name
from app.jobs.query.conditions.store import metres
from app.jobs.query.parameters import Point

_PLACE = "log, era, xid::text, id, posting"

STANDING = f"""
SELECT {_PLACE}, EXISTS (SELECT FROM alert_query WHERE compiled < %s)
       OR EXISTS (SELECT FROM alert_query WHERE compiled > %s) FROM alert_position
"""

BEHIND = """
SELECT COALESCE((SELECT extract(epoch FROM now() - at) FROM event e
                  WHERE (e.era, e.xid, e.id) > (p.era, p.xid, p.id) ORDER BY era, xid, id LIMIT 1), 0)::float8
  FROM alert_position p WHERE EXISTS (SELECT FROM saved_search WHERE frequency <> 'never')
"""

CLAIM = f"SELECT {_PLACE} FROM alert_position FOR UPDATE SKIP LOCKED"

MOVE = "UPDATE alert_position SET log = %s, era = %s, xid = %s::xid8, id = %s, posting = %s"

UNCOMPILED = """
(SELECT id, query, compiled FROM alert_query WHERE compiled < %s ORDER BY compiled, id LIMIT %s)
 UNION ALL
(SELECT id, query, compiled FROM alert_query WHERE compiled > %s ORDER BY compiled, id LIMIT %s)
"""

NEW_LEFT = "SELECT FROM alert_query WHERE compiled = '' LIMIT 1"

COMPILED = "UPDATE alert_query SET compiled = %s WHERE id = ANY (%s)"

DELETE_BRANCHES = "DELETE FROM alert_branch WHERE query_id = ANY (%s)"

DELETE_NAMES = "DELETE FROM alert_name WHERE query_id = ANY (%s)"

INSERT_BRANCHES = """
INSERT INTO alert_branch (query_id, anchor, asked, phrases, salary_min, salary_null, days, verified, listed, lat, lon,
                          metres)
SELECT q, anchor, asked::tsquery, phrases::tsquery, salary_min, salary_null, days, verified, listed::int[], lat, lon, m
  FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::int[], %s::boolean[], %s::int[], %s::boolean[],
              %s::text[], %s::float8[], %s::float8[], %s::int[])
       AS b (q, anchor, asked, phrases, salary_min, salary_null, days, verified, listed, lat, lon, m)
"""

INSERT_NAMES = """
INSERT INTO alert_name SELECT DISTINCT * FROM unnest(%s::bigint[], %s::int[], %s::text[]) AS n
"""

# Queries that name what has got a further number are compiled anew; names are of kinds 8 to 10 of terms.py.
NEW_NUMBERS = """
WITH fresh AS (
    SELECT kind, name FROM term t WHERE t.id = ANY (%s) AND NOT EXISTS (SELECT FROM alert_term a WHERE a.id = t.id)
)
UPDATE alert_query SET compiled = ''
 WHERE id IN (SELECT query_id FROM alert_name JOIN fresh USING (kind, name)) AND compiled <> ''
"""

KNOW_NUMBERS = "INSERT INTO alert_term SELECT DISTINCT unnest(%s::int[]) ON CONFLICT DO NOTHING"

# As in HELD of the searches: a near-duplicate that is not shown itself is found as the one that is shown.
SHOWN = """
SELECT asked.id, p.id, p.cluster_id, p.terms, tsvector_to_array(p.body_tsv)
  FROM unnest(%s::bigint[]) AS asked (id) JOIN posting o ON o.id = asked.id
  JOIN posting p ON p.shown AND (p.id = o.id OR (NOT o.shown AND p.cluster_id = o.cluster_id AND NOT p.strayed))
"""

OF_COMPANY = """
SELECT id, id, cluster_id, terms, tsvector_to_array(body_tsv) FROM posting
 WHERE company_id = %s AND shown AND id > %s ORDER BY id LIMIT %s
"""

_METRES = metres(Circle(Point(0, 0), 0, ())).text.replace("%s", "{}")


def _holds(branch: str, columns: str) -> str:
    """The condition that a posting satisfies a row of alert_branch; `columns` is what its column names begin with."""
    distance = _METRES.format(*(f"{branch}.{name}" for name in ("lat", "lat", "lon") * 2))
    distance = distance.replace("lats", f"{columns}lats").replace("lons", f"{columns}lons")
    return f"""
    ({branch}.asked IS NULL OR {columns}tsv @@ {branch}.asked)
    AND ({branch}.phrases IS NULL OR {columns}title_tsv @@ {branch}.phrases)
    AND ({branch}.salary_min IS NULL OR {columns}salary >= {branch}.salary_min
         OR ({branch}.salary_null AND {columns}salary IS NULL))
    AND ({branch}.days IS NULL OR published_at > now() - make_interval(days => {branch}.days))
    AND (NOT {branch}.verified OR trusted)
    AND ({branch}.metres IS NULL OR {columns}terms && {branch}.listed OR {distance} <= {branch}.metres)
    """


_VECTOR = "{} || array_to_tsvector(ARRAY(SELECT '#' || t FROM unnest({}) AS t))"

# OFFSET 0 keeps the plan: from each anchor to its branches by the index. Nothing is joined with what was found, which
# may be a hundred thousand rows where the planner expects few.
MATCH = f"""
WITH subject AS MATERIALIZED (
    SELECT a.n, p.id, p.cluster_id, a.era, a.xid::xid8 AS xid, a.event_id, a.at, a.anchors::bigint[] AS anchors,
           a.became_verified, a.before IS NOT NULL AS changed, p.published_at, c.verified AS trusted,
           p.salary, p.terms, p.lats, p.lons, p.title_tsv || ''::tsvector AS title_tsv,
           {_VECTOR.format("p.body_tsv", "p.terms")} AS tsv,
           b.salary AS was_salary, b.terms AS was_terms, COALESCE(b.lats, p.lats) AS was_lats,
           COALESCE(b.lons, p.lons) AS was_lons, b.title_tsv::tsvector AS was_title_tsv,
           {_VECTOR.format("b.body_tsv::tsvector", "b.terms")} AS was_tsv
      FROM unnest(%s::int[], %s::bigint[], %s::text[], %s::int[], %s::text[], %s::bigint[], %s::timestamptz[],
                  %s::jsonb[], %s::boolean[])
             AS a (n, posting_id, anchors, era, xid, event_id, at, before, became_verified)
      JOIN posting p ON p.id = a.posting_id JOIN companies c ON c.id = p.company_id
      LEFT JOIN LATERAL jsonb_to_record(a.before) AS b (
           terms int[], title_tsv text, body_tsv text, salary int, lats float8[], lons float8[]) ON true
     WHERE p.shown AND p.valid_through > now()
), fresh AS (
    SELECT DISTINCT ON (b.query_id, s.cluster_id)
           b.query_id, s.cluster_id, s.id AS posting_id, s.era, s.xid, s.event_id, s.at
      FROM subject s CROSS JOIN LATERAL unnest(s.anchors) AS given
           CROSS JOIN LATERAL (SELECT * FROM alert_branch WHERE anchor = given OFFSET 0) AS b
     WHERE {_holds("b", "s.")} AND (NOT s.became_verified OR b.verified)
       AND NOT (s.changed AND EXISTS (
               SELECT FROM alert_branch w WHERE w.query_id = b.query_id AND {_holds("w", "s.was_")}))
     ORDER BY b.query_id, s.cluster_id, s.n DESC
)
INSERT INTO query_match AS m (query_id, cluster_id, posting_id, era, xid, event_id, at) SELECT * FROM fresh
    ON CONFLICT (query_id, cluster_id) DO UPDATE
   SET posting_id = EXCLUDED.posting_id, era = EXCLUDED.era, xid = EXCLUDED.xid, event_id = EXCLUDED.event_id,
       at = EXCLUDED.at
 WHERE (m.era, m.xid, m.event_id) < (EXCLUDED.era, EXCLUDED.xid, EXCLUDED.event_id)
RETURNING query_id
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """The last event that was matched, of which log, and whether queries wait.

    `posting` is the last posting that was matched of the company that the next event is about.
    """

    log: str
    place: Place
    posting: int
    uncompiled: bool


@dataclass(frozen=True, slots=True)
class Subject:
    """A posting that is shown, and the one that an event is about, in whose place it is shown."""

    asked_id: int
    id: int
    cluster_id: int
    terms: list[int]
    lexemes: list[str]


@dataclass(frozen=True, slots=True)
class Occasion:
    """A posting to match because of an event. `before` are its earlier search columns, which must not have matched.

    `became_verified`: only queries for verified companies are matched.
    """

    posting_id: int
    anchors: list[int]
    event: Event
    before: Mapping[str, Any] | None = None
    became_verified: bool = False


class MatchingStore:
    """Each method is one statement; `form` names what branches are made with."""

    def __init__(self, database: Database) -> None:
        self.transaction = database.transaction
        self._database = database

    def standing(self, form: str) -> Standing:
        """Where matching stands, whoever does it."""
        row = self._database.one(STANDING, form, form)
        assert row is not None  # noqa: S101 - a migration has written it
        return Standing(row[0], Place(row[1], int(row[2]), row[3]), row[4], row[5])

    def behind_s(self) -> float:
        """For how long the next event has been waiting; 0 if no saved search is to alert anybody."""
        row = self._database.one(BEHIND)
        return 0.0 if row is None else float(row[0])

    def shown(self, posting_ids: Sequence[int]) -> list[Subject]:
        """The shown posting for each of these, where there is one."""
        return [Subject(*row) for row in self._database.all(SHOWN, list(posting_ids))] if posting_ids else []

    def of_company(self, company_id: int, after: int, most: int) -> list[Subject]:
        """Shown postings of a company, by rising id."""
        return [Subject(*row) for row in self._database.all(OF_COMPANY, company_id, after, most)]


def claim(transaction: Transaction, standing: Standing) -> bool:
    """Lock the position; False if another worker matches or has matched meanwhile."""
    row = transaction.one(CLAIM)
    return row is not None and (row[0], Place(row[1], int(row[2]), row[3]), row[4]) == (
        standing.log, standing.place, standing.posting
    )  # fmt: skip


def move(transaction: Transaction, log: str, place: Place, posting: int) -> None:
    transaction.run(MOVE, log, place.era, str(place.xid), place.id, posting)


def uncompiled(transaction: Transaction, form: str, most: int) -> list[tuple[int, str]]:
    """(id, query) of queries without branches of this form, new ones first."""
    rows = transaction.all(UNCOMPILED, form, most, form, most)
    return [(row[0], row[1]) for row in sorted(rows, key=lambda row: row[2])[:most]]


def new_left(transaction: Transaction) -> bool:
    """Whether a query has no branches at all yet."""
    return transaction.one(NEW_LEFT) is not None


def replace_branches(
    transaction: Transaction, form: str, found: Mapping[int, Sequence[Branch]], names: Mapping[int, Sequence[Name]]
) -> None:  # fmt: skip
    """Write the branches of queries, and which names they depend on."""
    queries = list(found)
    for statement in (DELETE_BRANCHES, DELETE_NAMES):
        transaction.run(statement, queries)
    rows = [(number, *astuple(branch)) for number, several in found.items() for branch in several]
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        columns[8] = ["{" + ",".join(map(str, listed)) + "}" for listed in columns[8]]
        transaction.run(INSERT_BRANCHES, *columns)
    named = [(number, int(kind), name) for number, several in names.items() for kind, name in several]
    if named:
        transaction.run(INSERT_NAMES, *(list(column) for column in zip(*named, strict=True)))
    transaction.run(COMPILED, form, queries)


def note_numbers(transaction: Transaction, numbers: Sequence[int]) -> None:
    """Have queries compiled anew that name what one of these terms is the number of, if it was unknown."""
    if numbers:
        transaction.run(NEW_NUMBERS, list(numbers))
        transaction.run(KNOW_NUMBERS, list(numbers))


def match(transaction: Transaction, occasions: Sequence[Occasion]) -> list[int]:
    """Write what matches, or matches that did not before; returns the queries that have a newer match."""
    if not occasions:
        return []
    rows = [
        (
            number, each.posting_id, "{" + ",".join(map(str, each.anchors)) + "}", each.event.place.era,
            str(each.event.place.xid), each.event.place.id, each.event.at,
            None if each.before is None else msgspec.json.encode(each.before).decode(), each.became_verified,
        )
        for number, each in enumerate(occasions)
    ]  # fmt: skip
    return [row[0] for row in transaction.all(MATCH, *(list(column) for column in zip(*rows, strict=True)))]
