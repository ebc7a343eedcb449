"""SQL of accounts by mail; each change is logged in the statement that makes it."""

from contextlib import AbstractContextManager

from app.auth.records import Account
from app.auth.schemas import Client
from app.infra.postgres.database import Database, Transaction

UNVERIFIED_DAYS = 7

VERIFY = """
WITH verified AS (
    UPDATE users SET verified_at = now(), version = version + 1, updated_at = now()
     WHERE id = %s AND verified_at IS NULL RETURNING id
)
INSERT INTO audit_log (event, user_id, agent, address, request_id)
SELECT 'address_verified', id, %s, %s::inet, %s FROM verified
"""

LOCK_CONFIRMED = "SELECT token_epoch FROM users WHERE id = %s AND password_hash = %s FOR NO KEY UPDATE"
FIND_UNENDED = "SELECT FROM sessions WHERE id = %s AND user_id = %s AND epoch = %s AND revoked_at IS NULL"

LOCK_AT = """
SELECT id, verified_at IS NOT NULL, disabled_at IS NOT NULL FROM users WHERE email = %s::citext FOR UPDATE
"""

CHANGE_ADDRESS = """
WITH changed AS (
    UPDATE users SET email = %s, verified_at = now(), version = version + 1, updated_at = now()
     WHERE id = %s AND disabled_at IS NULL RETURNING id
)
INSERT INTO audit_log (event, user_id, agent, address, request_id)
SELECT 'address_changed', id, %s, %s::inet, %s FROM changed
"""

CLOSE_COMPANIES = """
UPDATE companies SET closed_at = now(), version = version + 1, updated_at = now()
 WHERE closed_at IS NULL AND id IN (SELECT company_id FROM company_members WHERE user_id = %s AND role = 'owner')
   AND NOT EXISTS (SELECT FROM company_members o
                    WHERE o.company_id = companies.id AND o.role = 'owner' AND o.user_id <> %s)
"""

REMOVE_ACCOUNT = """
WITH gone AS (DELETE FROM users WHERE id = %s RETURNING id)
INSERT INTO audit_log (event, user_id, detail)
SELECT 'account_removed', id, jsonb_build_object('reason', %s::text) FROM gone
"""

# Not while a mail to the account waits: without a task worker nobody could have used the link.
LOCK_UNVERIFIED = """
SELECT id FROM users WHERE verified_at IS NULL AND NOT admin AND created_at < now() - make_interval(days => %s)
   AND NOT EXISTS (SELECT FROM procrastinate_jobs
                    WHERE task_name = 'mail.send' AND status IN ('todo', 'doing') AND args->'mail'->>'to' = email::text)
 ORDER BY created_at LIMIT 100 FOR UPDATE SKIP LOCKED
"""


class AccountsStore:
    """Opens transactions, whose statements are the functions below."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def transaction(self) -> AbstractContextManager[Transaction]:
        return self._database.transaction()


def verify(transaction: Transaction, user_id: int, client: Client) -> None:
    """Mark the address as proven, unless it is already."""
    transaction.run(VERIFY, user_id, *client.origin)


def lock_confirmed(transaction: Transaction, account: Account, session_id: int) -> bool:
    """Lock the account; whether its password is still the one that was confirmed, and the session has not ended."""
    row = transaction.one(LOCK_CONFIRMED, account.id, account.password_hash)
    return row is not None and transaction.one(FIND_UNENDED, session_id, account.id, row[0]) is not None


def lock_at(transaction: Transaction, email: str) -> tuple[int, bool, bool] | None:
    """(id, whether its address is proven, whether it is disabled) of the account with this address."""
    row = transaction.one(LOCK_AT, email)
    return None if row is None else (row[0], row[1], row[2])


def change_address(transaction: Transaction, user_id: int, email: str, client: Client) -> bool:
    """Give the account a proven address; False if there is no such account. Raises Conflict if the address is taken."""
    return transaction.run(CHANGE_ADDRESS, email, user_id, *client.origin) == 1


def remove(transaction: Transaction, user_id: int, reason: str) -> None:
    """Remove an account, and close the companies of which it is the only owner."""
    transaction.run(CLOSE_COMPANIES, user_id, user_id)
    transaction.run(REMOVE_ACCOUNT, user_id, reason)


def lock_unverified(transaction: Transaction) -> list[int]:
    """Up to 100 accounts whose address has not been proven in UNVERIFIED_DAYS, and to which no mail waits."""
    return [row[0] for row in transaction.all(LOCK_UNVERIFIED, UNVERIFIED_DAYS)]
