"""SQL of requests with an Idempotency-Key; each is about one account, and is kept for 24 hours."""

from dataclasses import dataclass

from app.errors import FieldError, Invalid, RateLimited, Unavailable
from app.infra.postgres.database import Database, Transaction

KEPT = "interval '24 hours'"

KEYS_MAX = 200
"""New keys of one account within 24 hours."""

# Waits for another transaction that has claimed the key and is not over yet.
CLAIM = f"""
INSERT INTO repeatable_request AS kept (user_id, key, hash, status, answer) VALUES (%s, %s, %s, 0, '')
    ON CONFLICT (user_id, key) DO UPDATE SET hash = EXCLUDED.hash, created_at = now()
 WHERE kept.created_at < now() - {KEPT}
RETURNING user_id
"""

COUNT_KEPT = f"""
SELECT count(*), COALESCE(extract(epoch FROM min(created_at) + {KEPT} - now()), 0)::int
  FROM repeatable_request WHERE user_id = %s AND created_at > now() - {KEPT}
"""

FIND = "SELECT hash, status, answer FROM repeatable_request WHERE user_id = %s AND key = %s"

KEEP = "UPDATE repeatable_request SET status = %s, answer = %s WHERE user_id = %s AND key = %s"

PRUNE = f"""
DELETE FROM repeatable_request WHERE (user_id, key) IN (
    SELECT user_id, key FROM repeatable_request WHERE created_at < now() - {KEPT} LIMIT 1000 FOR UPDATE SKIP LOCKED)
"""


class KeyReused(Invalid):
    """The key was sent before, with another request."""

    code, title = "idempotency_key_reused", "The Idempotency-Key belongs to another request"

    def __init__(self) -> None:
        super().__init__([FieldError("Idempotency-Key", "reused", "another request has this key: choose a new one")])


@dataclass(frozen=True, slots=True)
class Repeatable:
    """A request of an account with its key, and a hash of all that it asks for."""

    user_id: int
    key: str
    hash: bytes


def claim(transaction: Transaction, request: Repeatable) -> tuple[int, str] | None:
    """None for a new request, whose answer `keep` must keep; else (status, answer) of the first one.

    Raises KeyReused, or RateLimited beyond KEYS_MAX, which requests in parallel may exceed by their number.
    """
    if transaction.one(CLAIM, request.user_id, request.key, request.hash) is not None:
        _require_few(transaction, request.user_id)
        return None
    row = transaction.one(FIND, request.user_id, request.key)
    if row is None:
        raise Unavailable("the key has just expired")
    if bytes(row[0]) != request.hash:
        raise KeyReused
    return row[1], row[2]


def keep(transaction: Transaction, request: Repeatable, status: int, answer: str) -> None:
    """Keep the answer to a request that this transaction has claimed; an empty one is made anew when it is repeated."""
    transaction.run(KEEP, status, answer, request.user_id, request.key)


def _require_few(transaction: Transaction, user_id: int) -> None:
    count, resets_in = transaction.all(COUNT_KEPT, user_id)[0]
    if count > KEYS_MAX:
        raise RateLimited("idempotency_keys", KEYS_MAX, 86_400, max(1, resets_in))


def prune(database: Database) -> int:
    """Delete up to 1,000 answers that are older than 24 hours; returns how many."""
    return database.run(PRUNE)
