"""SQL of taking postings down; the act is logged in the statement that performs it."""

from app.auth.schemas import Client
from app.infra.postgres.database import Transaction

TAKE_DOWN = """
WITH taken AS (
    UPDATE posting SET taken_down_at = COALESCE(taken_down_at, now()), taken_down_reason = %s, version = version + 1
     WHERE id = %s AND (taken_down_at IS NULL OR taken_down_reason <> %s)
    RETURNING id, company_id, taken_down_reason
)
INSERT INTO audit_log (event, actor_id, company_id, agent, address, request_id, detail)
SELECT 'posting_taken_down', %s, company_id, %s, %s::inet, %s,
       jsonb_build_object('job_id', id, 'reason', taken_down_reason) FROM taken
"""

CATALOGUE_AROUND = """
SELECT catalogue_keys(terms) FROM posting WHERE id = %s
 UNION
SELECT catalogue_keys(terms) FROM posting
 WHERE state = 'open' AND cluster_id = (SELECT cluster_id FROM posting WHERE id = %s)
"""


def take_down(transaction: Transaction, posting_id: int, reason: str, actor_id: int, client: Client) -> None:
    """Mark a posting; the first time of it stays, and the same reason again changes nothing."""
    transaction.run(TAKE_DOWN, reason, posting_id, reason, actor_id, *client.origin)


def catalogue_around(transaction: Transaction, posting_id: int) -> list[str]:
    """The keys of every search that may find the posting or an open member of its cluster."""
    return [row[0] for row in transaction.all(CATALOGUE_AROUND, posting_id, posting_id)]
