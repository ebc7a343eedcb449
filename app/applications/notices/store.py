"""SQL of mails about applications: who gets them, read when they are sent."""

from dataclasses import dataclass

from app.applications.schemas import Stage
from app.infra.postgres.database import Transaction

OTHERS_WITHIN_HOUR = """
SELECT 1 FROM application WHERE posting_id = %s AND id <> %s AND created_at > now() - interval '1 hour' LIMIT 1
"""

_MAILED = "u.email::text, u.name, COALESCE(u.language, 'en')"
_REACHED = "u.verified_at IS NOT NULL AND u.disabled_at IS NULL"

# Nothing is said of a stage that has been changed again.
FIND_STEP = f"""
SELECT {_MAILED}, t.title, c.name, a.stage
  FROM application_step s JOIN application a ON a.id = s.application_id AND a.stage = s.stage
  JOIN users u ON u.id = a.candidate_id JOIN posting p ON p.id = a.posting_id
  JOIN posting_text t ON t.posting_id = p.id JOIN companies c ON c.id = p.company_id
 WHERE s.id = %s AND {_REACHED}
"""

LIST_MEMBERS = f"""
SELECT {_MAILED}, t.title, c.name, u.id, (SELECT max(id) FROM application WHERE posting_id = p.id)
  FROM posting p JOIN posting_text t ON t.posting_id = p.id JOIN companies c ON c.id = p.company_id
  JOIN company_members m ON m.company_id = c.id JOIN users u ON u.id = m.user_id
 WHERE p.id = %s AND c.closed_at IS NULL AND {_REACHED}
   AND EXISTS (SELECT FROM application WHERE posting_id = p.id AND stage = 'submitted') ORDER BY u.id
"""


@dataclass(frozen=True, slots=True)
class Addressed:
    """Who gets a mail, and what it is about."""

    email: str
    name: str
    language: str
    job: str
    company: str


def others_within_hour(transaction: Transaction, job_id: int, application_id: int) -> bool:
    """Whether somebody else has applied for the job within the last hour."""
    return transaction.one(OTHERS_WITHIN_HOUR, job_id, application_id) is not None


def find_step(transaction: Transaction, step_id: int) -> tuple[Addressed, Stage] | None:
    """The candidate and the stage; None if there is nothing to say any more."""
    row = transaction.one(FIND_STEP, step_id)
    return None if row is None else (Addressed(*row[:5]), row[5])


def list_members(transaction: Transaction, job_id: int) -> list[tuple[Addressed, int, int]]:
    """(member, account id, newest application) of each member, unless every application has been looked at."""
    return [(Addressed(*row[:5]), row[5], row[6]) for row in transaction.all(LIST_MEMBERS, job_id)]
