"""SQL of digests: the account that is due, what its searches newly match, and the ledger of what was alerted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from app.alerts.digests.content import Content, Item, Letter
from app.alerts.digests.schedule import PAUSE
from app.infra.postgres.database import Database, Transaction

# Who makes a digest waits for no lock, so that it is part of no deadlock. The account cannot be deleted meanwhile.
CLAIM = """
SELECT a.user_id, now(), a.mailed_at, u.time_zone, u.alert_hour, COALESCE(u.language, 'en'),
       u.verified_at IS NOT NULL AND u.disabled_at IS NULL
       AND NOT EXISTS (SELECT FROM mail_suppression WHERE address = u.email::text)
  FROM alert_account a JOIN users u ON u.id = a.user_id
 WHERE a.due_at <= now() ORDER BY a.due_at, a.user_id LIMIT 1
   FOR NO KEY UPDATE OF a SKIP LOCKED FOR KEY SHARE OF u SKIP LOCKED
"""

LOCK_SEARCHES = """
SELECT id, name, query, frequency, due_at FROM saved_search
 WHERE user_id = %s AND frequency <> 'never' AND query_id IS NOT NULL ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
"""

COUNT_SEARCHES = "SELECT count(*) FROM saved_search WHERE user_id = %s AND frequency <> 'never'"

# No digest has dealt with the match q. All postings of a company that became verified have one event; they are matched
# in the order of their ids, in several transactions.
UNSERVED = """
(q.era, q.xid, q.event_id, q.posting_id) > (s.served_era, s.served_xid, s.served_id, s.served_posting)
"""

# The event of the match q was not visible when what s searches was last changed: its transaction may have begun before.
# A search that was saved before snapshots were kept counts by the numbers of transactions.
COUNTS = """
(q.era > s.since_era OR q.era = s.since_era AND CASE WHEN s.since_snapshot IS NULL THEN q.xid > s.since_xid
                             ELSE NOT pg_visible_in_snapshot(q.xid, s.since_snapshot) END)
"""

# The oldest unserved matches of each search. The bound by xmin, which COUNTS implies, is for the index.
CANDIDATES = f"""
SELECT s.id, m.cluster_id, m.era, m.xid::text, m.event_id, m.posting_id
  FROM saved_search s CROSS JOIN LATERAL (
       SELECT cluster_id, era, xid, event_id, posting_id FROM query_match q
        WHERE q.query_id = s.query_id
          AND {UNSERVED}
          AND (q.era, q.xid) >= (s.since_era, COALESCE(pg_snapshot_xmin(s.since_snapshot), s.since_xid))
          AND {COUNTS}
          AND NOT EXISTS (SELECT FROM alert_sent x WHERE x.saved_search_id = s.id AND x.cluster_id = q.cluster_id)
        ORDER BY q.era, q.xid, q.event_id, q.posting_id LIMIT %s) AS m
 WHERE s.id = ANY (%s) ORDER BY s.id, m.era, m.xid, m.event_id, m.posting_id
"""

ITEMS = """
SELECT p.id, t.title, c.name, COALESCE(t.detail->'places'->0->>'city', t.detail->'places'->0->>'region', ''),
       COALESCE(t.detail->'places'->0->>'country', '')
  FROM posting p JOIN posting_text t ON t.posting_id = p.id JOIN companies c ON c.id = p.company_id
 WHERE p.id = ANY (%s)
"""

INSERT_DIGEST = "INSERT INTO digest (user_id, content) VALUES (%s, %s::jsonb) RETURNING id"

INSERT_SENT = """
INSERT INTO alert_sent (saved_search_id, cluster_id, digest_id)
SELECT search, cluster, %s FROM unnest(%s::bigint[], %s::bigint[]) AS found (search, cluster)
"""

SERVED = """
UPDATE saved_search s SET served_era = done.era, served_xid = done.xid::xid8, served_id = done.event_id,
                          served_posting = done.posting
  FROM unnest(%s::bigint[], %s::int[], %s::text[], %s::bigint[], %s::bigint[])
       AS done (id, era, xid, event_id, posting) WHERE s.id = done.id
"""

SCHEDULE = """
UPDATE saved_search s SET due_at = next.at FROM unnest(%s::bigint[], %s::timestamptz[]) AS next (id, at)
 WHERE s.id = next.id AND s.due_at IS DISTINCT FROM next.at
"""

SCHEDULE_ACCOUNT = """
UPDATE alert_account SET due_at = %s, mailed_at = CASE WHEN %s THEN now() ELSE mailed_at END WHERE user_id = %s
"""

# A digest of searches that alert no longer is not sent.
FIND_LETTER = """
SELECT d.id, d.user_id, u.email::text, u.name, d.created_at, d.content::text,
       u.verified_at IS NOT NULL AND u.disabled_at IS NULL,
       EXISTS (SELECT FROM saved_search WHERE user_id = d.user_id AND frequency <> 'never'
                  AND id IN (SELECT (part->>'search')::bigint FROM jsonb_array_elements(d.content->'parts') AS part))
  FROM digest d JOIN users u ON u.id = d.user_id WHERE d.id = %s AND d.sent_at IS NULL AND d.dropped IS NULL
"""

MARK_SENT = "UPDATE digest SET sent_at = now() WHERE id = %s AND sent_at IS NULL"

DROP = "UPDATE digest SET dropped = %s WHERE id = %s AND sent_at IS NULL"

DELETE_DIGESTS = """
DELETE FROM digest WHERE id IN (
       SELECT id FROM digest WHERE created_at < now() - make_interval(days => %s) LIMIT 1000)
"""

STANDING = """
SELECT COALESCE((SELECT extract(epoch FROM now() - min(due_at)) FROM alert_account WHERE due_at <= now()), 0)::float8,
       COALESCE((SELECT extract(epoch FROM now() - min(created_at)) FROM digest
                  WHERE sent_at IS NULL AND dropped IS NULL), 0)::float8
"""

STOP = """
UPDATE saved_search SET frequency = 'never', version = version + 1, updated_at = now()
 WHERE user_id = %s AND frequency <> 'never' AND (%s::bigint IS NULL OR id = %s)
"""

# Locked in one order, as by whoever else changes several. Those that are due already are locked too: a digest that is
# being made may not see the matches of this transaction, and sets when its account is due again.
MARK_DUE = """
WITH told AS MATERIALIZED (
    SELECT user_id, due_at, GREATEST(now(), mailed_at + make_interval(secs => %s)) AS soonest FROM alert_account
     WHERE user_id IN (SELECT user_id FROM saved_search WHERE query_id = ANY (%s) AND frequency = 'instant')
     ORDER BY user_id FOR NO KEY UPDATE
)
UPDATE alert_account a SET due_at = told.soonest
  FROM told WHERE told.user_id = a.user_id AND (told.due_at IS NULL OR told.due_at > told.soonest)
"""


@dataclass(frozen=True, slots=True)
class Due:
    """An account that is locked until the transaction ends; `now` is the time of the transaction.

    `reached` says whether its address gets mail at all.
    """

    user_id: int
    now: datetime
    mailed_at: datetime | None
    zone: str
    hour: int
    language: str
    reached: bool


@dataclass(frozen=True, slots=True)
class Search:
    """A saved search that alerts, locked too."""

    id: int
    name: str
    query: str
    frequency: str
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A match that no digest has dealt with, with the place of its event and the posting that was matched."""

    search_id: int
    cluster_id: int
    era: int
    xid: str
    event_id: int
    posting_id: int


@dataclass(frozen=True, slots=True)
class Standing:
    """For how long an account has been due, and a digest has been waiting to be sent, of each the longest; seconds."""

    due_s: float
    unsent_s: float


class DigestStore:
    """Each method is one statement."""

    def __init__(self, database: Database) -> None:
        self.transaction = database.transaction
        self._database = database

    def find_letter(self, digest_id: int) -> tuple[Letter, str] | None:
        """A digest that is neither sent nor dropped, and why it must not be sent, or an empty text."""
        row = self._database.one(FIND_LETTER, digest_id)
        if row is None:
            return None
        number, user_id, email, name, created_at, content, reached, wanted = row
        reason = "" if wanted else "the alerts were ended"
        decoded = msgspec.json.decode(content, type=Content)
        letter = Letter(number, user_id, email, name, created_at, decoded)
        return letter, reason if reached else "the account gets no mail"

    def mark_sent(self, digest_id: int) -> None:
        self._database.run(MARK_SENT, digest_id)

    def drop(self, digest_id: int, reason: str) -> None:
        """Never send the digest."""
        self._database.run(DROP, reason, digest_id)

    def stop(self, user_id: int, search_id: int | None) -> int:
        """End the alerts of a search, or of all; returns of how many."""
        return self._database.run(STOP, user_id, search_id, search_id)

    def standing(self) -> Standing:
        row = self._database.one(STANDING)
        return Standing(0.0, 0.0) if row is None else Standing(*row)


def claim(transaction: Transaction) -> Due | None:
    """Lock the account that has been due longest and that no other worker has locked."""
    row = transaction.one(CLAIM)
    return None if row is None else Due(*row)


def lock_searches(transaction: Transaction, user_id: int) -> tuple[list[Search], bool]:
    """The searches of the account that alert, but those that somebody changes now, and whether these are all."""
    found = [Search(*row) for row in transaction.all(LOCK_SEARCHES, user_id)]
    (row,) = transaction.all(COUNT_SEARCHES, user_id)
    return found, row[0] == len(found)


def candidates(transaction: Transaction, search_ids: Sequence[int], most: int) -> list[Candidate]:
    """For each search at most `most` matches, the oldest first."""
    return [Candidate(*row) for row in transaction.all(CANDIDATES, most, list(search_ids))]


def items(transaction: Transaction, posting_ids: Sequence[int]) -> dict[int, Item]:
    """What a digest tells of postings."""
    rows = transaction.all(ITEMS, list(posting_ids))
    return {row[0]: Item(row[0], row[1], row[2], ", ".join(part for part in row[3:] if part)) for row in rows}


def insert(transaction: Transaction, user_id: int, content: Content, sent: Sequence[tuple[int, int]]) -> int:
    """Write a digest, with the (search, cluster) that it alerts of; returns its id."""
    (row,) = transaction.all(INSERT_DIGEST, user_id, msgspec.json.encode(content).decode())
    transaction.run(INSERT_SENT, row[0], *(list(column) for column in zip(*sent, strict=True)))
    return int(row[0])


def serve(transaction: Transaction, done: Sequence[Candidate]) -> None:
    """Note the last match that was dealt with of each search."""
    columns = [(each.search_id, each.era, each.xid, each.event_id, each.posting_id) for each in done]
    if columns:
        transaction.run(SERVED, *(list(column) for column in zip(*columns, strict=True)))


def schedule(transaction: Transaction, due: Mapping[int, datetime]) -> None:
    """Set when searches are next due."""
    if due:
        transaction.run(SCHEDULE, list(due), list(due.values()))


def schedule_account(transaction: Transaction, user_id: int, due_at: datetime | None, *, mailed: bool) -> None:
    """Set when the account is next due; `mailed` if it has got a digest now."""
    transaction.run(SCHEDULE_ACCOUNT, due_at, mailed, user_id)


def mark_due(transaction: Transaction, query_ids: Sequence[int]) -> None:
    """Have the accounts looked at that are told at once about matches of these queries, but not too often."""
    transaction.run(MARK_DUE, PAUSE.total_seconds(), list(query_ids))


def delete_old(transaction: Transaction, days: int) -> int:
    """Remove digests that are older, some at a time; returns how many."""
    return transaction.run(DELETE_DIGESTS, days)
