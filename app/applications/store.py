"""SQL of applications with their history and notes; changes lock the application's row."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import msgspec

from app.applications.schemas import Answer, ApplicationBrief, Candidate, JobBrief, Note, Stage, Step
from app.companies.schemas import CompanyBrief
from app.infra.postgres.database import Database, Transaction
from app.users.store import utc

# A repeated application, whatever is sent in parallel, finds the row of the first and inserts nothing.
INSERT_APPLICATION = """
WITH made AS (
    INSERT INTO application (posting_id, candidate_id, letter, answers)
    SELECT id, %s, %s, %s::json FROM posting WHERE id = %s AND state = 'open' AND valid_through > now()
        ON CONFLICT (posting_id, candidate_id) DO NOTHING
    RETURNING id, candidate_id
)
INSERT INTO application_step (application_id, stage, by_candidate, actor_id)
SELECT id, 'submitted', true, candidate_id FROM made RETURNING application_id, id
"""

COUNT_RECENT = """
SELECT count(*), COALESCE(extract(epoch FROM min(created_at) + interval '1 day' - now()), 0)::int
  FROM application WHERE candidate_id = %s AND created_at > now() - interval '1 day'
"""

FIND_ID = "SELECT id FROM application WHERE posting_id = %s AND candidate_id = %s"

_COLUMNS = """a.id, a.posting_id, t.title, c.id, c.slug, c.name, c.verified, u.id, u.name, u.email::text, a.stage,
 a.created_at, a.updated_at, a.version"""
_JOINED = """application a JOIN posting p ON p.id = a.posting_id JOIN posting_text t ON t.posting_id = p.id
  JOIN companies c ON c.id = p.company_id JOIN users u ON u.id = a.candidate_id"""

FIND_APPLICATION = f"SELECT {_COLUMNS}, a.letter, a.answers::text FROM {_JOINED} WHERE a.id = %s"

LIST_OWN = f"""
SELECT {_COLUMNS} FROM {_JOINED} WHERE a.candidate_id = %s AND a.id < %s ORDER BY a.id DESC LIMIT %s
"""

LIST_BY_JOB = f"""
SELECT {_COLUMNS} FROM {_JOINED}
 WHERE a.posting_id = %s AND a.id < %s AND (%s::text[] IS NULL OR a.stage = ANY (%s)) ORDER BY a.id DESC LIMIT %s
"""

STEPS_MAX, NOTES_MAX = 500, 500
"""Of one application; of older ones with more the newest are read."""

LIST_STEPS = f"""
SELECT stage, at, by_candidate, actor_id FROM application_step WHERE application_id = %s
 ORDER BY id DESC LIMIT {STEPS_MAX}
"""

LIST_NOTES = f"""
SELECT text, at, author_id FROM application_note WHERE application_id = %s ORDER BY id DESC LIMIT {NOTES_MAX}
"""

COUNT_STEPS = f"""
SELECT count(*) FROM (SELECT FROM application_step WHERE application_id = %s LIMIT {STEPS_MAX}) AS counted
"""

COUNT_NOTES = f"""
SELECT count(*) FROM (SELECT FROM application_note WHERE application_id = %s LIMIT {NOTES_MAX}) AS counted
"""

LOCK_APPLICATION = "SELECT stage, version FROM application WHERE id = %s FOR UPDATE"

SET_STAGE = """
WITH moved AS (
    UPDATE application SET stage = %s WHERE id = %s RETURNING id, stage
)
INSERT INTO application_step (application_id, stage, by_candidate, actor_id) SELECT id, stage, %s, %s FROM moved
"""

ADD_NOTE = "INSERT INTO application_note (application_id, author_id, text) VALUES (%s, %s, %s)"

TOUCH = "UPDATE application SET version = version + 1, updated_at = now() WHERE id = %s"

_decode_answers = msgspec.json.Decoder(tuple[Answer, ...]).decode


@dataclass(frozen=True, slots=True)
class Stored:
    """An application as stored, without history and notes."""

    brief: ApplicationBrief
    letter: str
    answers: tuple[Answer, ...]


class ApplicationStore:
    """Reads applications; writes are the functions below, inside a transaction."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def transaction(self) -> AbstractContextManager[Transaction]:
        return self.database.transaction()

    def find(self, application_id: int) -> Stored | None:
        return find(self.database, application_id)

    def find_id(self, job_id: int, user_id: int) -> int | None:
        """The id of a candidate's application for a job."""
        return find_id(self.database, job_id, user_id)

    def count_recent(self, user_id: int) -> tuple[int, int]:
        """(applications of a candidate within a day, seconds until the first of them is older)."""
        row = self.database.one(COUNT_RECENT, user_id)
        return (0, 0) if row is None else (row[0], row[1])

    def list_own(self, user_id: int, before: int, limit: int) -> list[ApplicationBrief]:
        """A candidate's applications with ids below `before`, the newest first."""
        return [_brief(row) for row in self.database.all(LIST_OWN, user_id, before, limit)]

    def list_by_job(
        self, job_id: int, stages: Sequence[Stage] | None, before: int, limit: int
    ) -> list[ApplicationBrief]:  # fmt: skip
        """The same for a job, in some stages or in all."""
        given = None if stages is None else list(stages)
        return [_brief(row) for row in self.database.all(LIST_BY_JOB, job_id, before, given, given, limit)]


def insert(
    transaction: Transaction, job_id: int, user_id: int, letter: str, answers: Sequence[Answer]
) -> tuple[int, int] | None:  # fmt: skip
    """(id of the new application, id of its first step); None if there is one already, or the posting is not open."""
    encoded = msgspec.json.encode(answers).decode()
    row = transaction.one(INSERT_APPLICATION, user_id, letter, encoded, job_id)
    return None if row is None else (row[0], row[1])


def find_id(database: Database | Transaction, job_id: int, user_id: int) -> int | None:
    row = database.one(FIND_ID, job_id, user_id)
    return None if row is None else int(row[0])


def find(database: Database | Transaction, application_id: int) -> Stored | None:
    row = database.one(FIND_APPLICATION, application_id)
    return None if row is None else Stored(_brief(row), row[-2], _decode_answers(row[-1]))


def steps(database: Database | Transaction, application_id: int, *, actors: bool) -> list[Step]:
    """The newest STEPS_MAX stages of the history, the first of them first."""
    rows = database.all(LIST_STEPS, application_id)
    return [
        Step(stage, utc(at), "candidate" if own else "company", actor if actors else msgspec.UNSET)
        for stage, at, own, actor in reversed(rows)
    ]


def notes(database: Database | Transaction, application_id: int) -> list[Note]:
    """The newest NOTES_MAX notes, the oldest of them first."""
    return [Note(text, utc(at), author) for text, at, author in reversed(database.all(LIST_NOTES, application_id))]


def count_steps(transaction: Transaction, application_id: int) -> int:
    """The number of stages in the history, at most STEPS_MAX."""
    return int(transaction.all(COUNT_STEPS, application_id)[0][0])


def count_notes(transaction: Transaction, application_id: int) -> int:
    """The number of notes, at most NOTES_MAX."""
    return int(transaction.all(COUNT_NOTES, application_id)[0][0])


def lock(transaction: Transaction, application_id: int) -> tuple[Stage, int] | None:
    """(stage, version)."""
    row = transaction.one(LOCK_APPLICATION, application_id)
    return None if row is None else (row[0], row[1])


def set_stage(
    transaction: Transaction, application_id: int, stage: Stage, actor_id: int, *, by_candidate: bool
) -> None:  # fmt: skip
    """Move the application to a stage, with a new step of its history."""
    transaction.run(SET_STAGE, stage, application_id, by_candidate, actor_id)


def add_note(transaction: Transaction, application_id: int, author_id: int, text: str) -> None:
    transaction.run(ADD_NOTE, application_id, author_id, text)


def touch(transaction: Transaction, application_id: int) -> None:
    """Increment the version."""
    transaction.run(TOUCH, application_id)


def _brief(row: tuple[Any, ...]) -> ApplicationBrief:
    return ApplicationBrief(
        id=row[0],
        job=JobBrief(row[1], row[2], CompanyBrief(*row[3:7])),
        candidate=Candidate(*row[7:10]),
        stage=row[10],
        created_at=utc(row[11]),
        updated_at=utc(row[12]),
        version=row[13],
    )
