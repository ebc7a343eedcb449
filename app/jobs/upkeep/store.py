"""SQL of periodic work: expiry in batches, counts of terms and lexemes, and yearly salaries."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

import msgspec

from app.infra.postgres.database import Database, Transaction
from app.jobs.schemas import Detail, Salary, State
from app.jobs.store import Cluster

BULK = "SELECT set_config('jobfinder.bulk', %s, true)"

LOCK_EXPIRED = """
SELECT id FROM posting_cluster
 WHERE id IN (SELECT cluster_id FROM posting WHERE state = 'open' AND valid_through <= now()
               ORDER BY valid_through LIMIT %s)
 ORDER BY id FOR UPDATE SKIP LOCKED
"""

EXPIRE = """
UPDATE posting SET state = 'expired', shown = false, siblings = 0
 WHERE cluster_id = ANY (%s) AND state = 'open' AND valid_through <= now()
"""

LIST_BEREAVED = """
SELECT id, fingerprint FROM posting_cluster
 WHERE id IN (SELECT cluster_id FROM posting WHERE cluster_id = ANY (%s) AND shown AND NOT strayed AND siblings > 0)
"""

LEADER = "SELECT id FROM posting WHERE cluster_id = %s AND shown AND NOT strayed"

CLAIM_COUNTING = """
UPDATE search_upkeep SET counted_at = now() WHERE counted_at < now() - make_interval(secs => %s) RETURNING true
"""

STANDING = """
SELECT states::text, COALESCE(extract(epoch FROM now() - (
           SELECT valid_through FROM posting WHERE state = 'open' AND valid_through <= now()
            ORDER BY valid_through LIMIT 1)), 0)::float8
  FROM search_upkeep
"""

BOUNDS = "SELECT COALESCE(min(id), 1), COALESCE(max(id), 0) FROM posting"

COUNT_TERMS = """
SELECT term, count(*) FROM posting, unnest(terms || 0) AS term WHERE shown AND id BETWEEN %s AND %s GROUP BY term
"""

COUNT_STATES = "SELECT state, count(*) FROM posting WHERE id BETWEEN %s AND %s GROUP BY state"

STORE_STATES = "UPDATE search_upkeep SET states = %s::json"

STORE_TERMS = """
WITH fresh AS (
    SELECT * FROM unnest(%s::int[], %s::int[]) AS fresh (term, df)
), gone AS (
    DELETE FROM term_count WHERE term <> ALL (%s::int[])
)
INSERT INTO term_count SELECT term, df FROM fresh
    ON CONFLICT (term) DO UPDATE SET df = EXCLUDED.df WHERE term_count.df <> EXCLUDED.df
"""

SAMPLE = 10_000
_NEWEST = f"SELECT {{}} FROM posting WHERE shown ORDER BY published_at DESC, id DESC LIMIT {SAMPLE}"

# Title and text are counted in the same sample, whose counts are raised to all that are shown.
STORE_LEXICON = f"""
WITH size AS (
    SELECT GREATEST(COALESCE((SELECT df FROM term_count WHERE term = 0), 0)::float8 / {SAMPLE}, 1) AS scale
), fresh AS (
    SELECT word, round(b.ndoc * scale) AS df, COALESCE(round(t.ndoc * scale), 0) AS title_df,
           COALESCE(round(w.ndoc * scale), 0) AS word_df
      FROM size, ts_stat('{_NEWEST.format("body_tsv")}') b
      LEFT JOIN ts_stat('{_NEWEST.format("title_tsv")}') t USING (word)
      LEFT JOIN ts_stat('{_NEWEST.format("title_tsv")}', 'a') w USING (word)
), gone AS (
    DELETE FROM lexicon WHERE NOT EXISTS (SELECT FROM fresh WHERE word = lexicon.term COLLATE "C")
)
INSERT INTO lexicon SELECT word, df, title_df, word_df FROM fresh
    ON CONFLICT (term) DO UPDATE SET df = EXCLUDED.df, title_df = EXCLUDED.title_df, word_df = EXCLUDED.word_df
 WHERE (lexicon.df, lexicon.title_df, lexicon.word_df)
       IS DISTINCT FROM (EXCLUDED.df, EXCLUDED.title_df, EXCLUDED.word_df)
"""

CHUNK = 50_000

LIST_STALE = """
SELECT p.id, t.detail::text FROM posting p JOIN posting_text t ON t.posting_id = p.id
 WHERE p.shown AND p.salary_rates_of < %s::date ORDER BY p.salary_rates_of LIMIT %s FOR UPDATE OF p SKIP LOCKED
"""

CONVERT = """
WITH fresh AS (
    SELECT * FROM unnest(%s::bigint[], %s::int[], %s::date[]) AS fresh (id, salary, rates_of)
), changed AS (
    UPDATE posting SET salary = fresh.salary, salary_rates_of = fresh.rates_of FROM fresh WHERE posting.id = fresh.id
    RETURNING terms
)
INSERT INTO outbox (key) SELECT DISTINCT catalogue_keys(terms) FROM changed
"""

_decode_detail = msgspec.json.Decoder(Detail).decode


@dataclass(frozen=True, slots=True)
class Standing:
    """Postings by state, some minutes old, and for how long the expiry that is due longest has been due (seconds)."""

    states: Mapping[str, int]
    behind_s: float


class UpkeepStore:
    """Each statement is short enough for the statement timeout, however many postings there are."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim_counting(self, every_s: float) -> bool:
        """Whether this worker is to count now."""
        return self._database.one(CLAIM_COUNTING, every_s) is not None

    def standing(self) -> Standing:
        [(states, behind_s)] = self._database.all(STANDING)
        return Standing(msgspec.json.decode(states, type=dict[str, int]), behind_s)

    def count(self) -> None:
        """Count terms and states in chunks, then lexemes in a sample."""
        counts: Counter[int] = Counter({0: 0})
        states: Counter[str] = Counter(dict.fromkeys(get_args(State), 0))
        row = self._database.one(BOUNDS)
        first, last = row or (1, 0)
        for lower in range(first, last + 1, CHUNK):
            counts.update(dict(self._database.all(COUNT_TERMS, lower, lower + CHUNK - 1)))
            states.update(dict(self._database.all(COUNT_STATES, lower, lower + CHUNK - 1)))
        self._store(counts)
        self._database.run(STORE_STATES, msgspec.json.encode(states).decode())
        self._database.run(STORE_LEXICON)

    def _store(self, counts: Mapping[int, int]) -> None:
        terms = list(counts)
        self._database.run(STORE_TERMS, terms, list(counts.values()), terms)


def list_stale(transaction: Transaction, rates_of: str, most: int) -> list[tuple[int, Salary | None]]:
    """Some shown postings, now locked, whose yearly salary was computed by older rates; with what their texts say."""
    rows = transaction.all(LIST_STALE, rates_of, most)
    return [(row[0], _decode_detail(row[1]).salary) for row in rows]


def convert(transaction: Transaction, fresh: Mapping[int, tuple[int | None, str | None]]) -> None:
    """Write (yearly salary, day of the rates) of locked postings; only keys of searches are noted."""
    if fresh:
        transaction.one(BULK, "on")
        salaries, days = zip(*fresh.values(), strict=True)
        transaction.run(CONVERT, list(fresh), list(salaries), list(days))


def expire(transaction: Transaction, most: int) -> tuple[int, list[Cluster]]:
    """Mark due postings as expired; returns how many, and the clusters whose shown posting has lost a sibling.

    Nothing is published: cached facts of the postings, and of searches that found them, expire at the same time, and
    the postings look the same before and after. The clusters stay locked.
    """
    clusters = [row[0] for row in transaction.all(LOCK_EXPIRED, most)]
    if not clusters:
        return 0, []
    transaction.one(BULK, "on")
    flipped = transaction.run(EXPIRE, clusters)
    transaction.one(BULK, "off")
    return flipped, [Cluster(row[0], bytes(row[1])) for row in transaction.all(LIST_BEREAVED, clusters)]


def leader_of(transaction: Transaction, cluster_id: int) -> int | None:
    """The posting that is shown of a cluster."""
    shown = transaction.one(LEADER, cluster_id)
    return None if shown is None else int(shown[0])
