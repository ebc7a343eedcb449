"""SQL of mails about applications: who gets them, read when they are sent."""

from collections.abc import Collection
from dataclasses import dataclass

from app.applications.schemas import Stage
from app.infra.postgres.database import Transaction

OTHERS_WITHIN_HOUR = """
SELECT 1 FROM application WHERE posting_id = %s AND id <> %s AND created_at > now() - interval '1 hour' LIMIT 1
"""

_MAILED = "u.email::text, u.name, COALESCE(u.language, 'en')"
_REACHED = "u.verified_at IS NOT NULL AND u.disabled_at IS NULL"

_OF_APPLICATION = """JOIN users u ON u.id = a.candidate_id JOIN posting p ON p.id = a.posting_id
  JOIN posting_text t ON t.posting_id = p.id JOIN companies c ON c.id = p.company_id"""
_LAST_STEP = "(SELECT max(id) FROM application_step WHERE application_id = a.id)"

# Nothing is said of a step that another one has followed.
FIND_STEP = f"""
SELECT {_MAILED}, t.title, c.name, a.stage FROM application_step s JOIN application a ON a.id = s.application_id
  {_OF_APPLICATION} WHERE s.id = %s AND s.id = {_LAST_STEP} AND {_REACHED}
"""

LOCK_APPLICATION = "SELECT id FROM application WHERE id = %s FOR UPDATE"

FIND_UNTOLD = f"""
SELECT {_MAILED}, t.title, c.name, a.stage, {_LAST_STEP} FROM application a
  {_OF_APPLICATION} WHERE a.id = %s AND a.stage = ANY (%s) AND a.stage IS DISTINCT FROM a.told_stage AND {_REACHED}
"""

SET_TOLD = "UPDATE application SET told_stage = stage, told_at = now() WHERE id = %s"

PAUSE_LEFT = """
SELECT extract(epoch FROM told_at + make_interval(secs => %s) - now())::float8 FROM application
 WHERE id = %s AND told_at > now() - make_interval(secs => %s)
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


def find_untold(
    transaction: Transaction, application_id: int, told: Collection[Stage]
) -> tuple[Addressed, Stage, int] | None:  # fmt: skip
    """(candidate, stage, its step), locked; None if the candidate was told of it last, or it is not one of `told`."""
    transaction.one(LOCK_APPLICATION, application_id)
    row = transaction.one(FIND_UNTOLD, application_id, list(told))
    return None if row is None else (Addressed(*row[:5]), row[5], row[6])


def set_told(transaction: Transaction, application_id: int) -> None:
    """Note that the candidate is told of the stage as it is now."""
    transaction.run(SET_TOLD, application_id)


def pause_left_s(transaction: Transaction, application_id: int, pause_s: float) -> float:
    """Seconds until a pause after the last mail about a stage ends; 0 without one."""
    row = transaction.one(PAUSE_LEFT, pause_s, application_id, pause_s)
    return 0.0 if row is None else float(row[0])


def list_members(transaction: Transaction, job_id: int) -> list[tuple[Addressed, int, int]]:
    """(member, account id, newest application) of each member, unless every application has been looked at."""
    return [(Addressed(*row[:5]), row[5], row[6]) for row in transaction.all(LIST_MEMBERS, job_id)]
