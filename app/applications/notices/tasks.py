"""Which tasks a change of an application causes; workers do them, see `duties.py`. Without mail there are none."""

from app.applications.notices import store
from app.applications.schemas import Stage
from app.infra.postgres.database import Transaction
from app.tasks.queue import enqueue
from app.tasks.task import Task

TELL_CANDIDATE = Task("applications.tell_candidate", priority=10)
TELL_STAGE = Task("applications.tell_stage", priority=10)
TELL_COMPANY = Task("applications.tell_company", priority=10)

TOLD: frozenset[Stage] = frozenset(("interview", "offered", "hired", "rejected"))
"""Stages that the candidate gets a mail about; the others are in the history."""

PAUSE_S = 3600.0
"""Members get about one mail an hour for a job, however many candidates apply.

A candidate gets at most one an hour about stages of an application, however often they are changed.
"""


class Notices:
    """`on` is whether mail is configured."""

    def __init__(self, on: bool) -> None:
        self._on = on

    def submitted(self, transaction: Transaction, job_id: int, application_id: int, step_id: int) -> None:
        """Tell both sides of a new application."""
        if self._on:
            enqueue(transaction, TELL_CANDIDATE, {"step": step_id})
            delay_s = PAUSE_S if store.others_within_hour(transaction, job_id, application_id) else 0.0
            enqueue(transaction, TELL_COMPANY, {"job": job_id}, unique_key=str(job_id), delay_s=delay_s)

    def moved(self, transaction: Transaction, stage: Stage, application_id: int) -> None:
        """Tell the candidate of the stage that the company has set last."""
        if self._on and stage in TOLD:
            tell_stage(transaction, application_id)


def tell_stage(transaction: Transaction, application_id: int) -> None:
    """Have a worker tell the candidate of the stage that the application has after the pause since the last mail."""
    delay_s = store.pause_left_s(transaction, application_id, PAUSE_S)
    args = {"application": application_id}
    enqueue(transaction, TELL_STAGE, args, unique_key=str(application_id), delay_s=delay_s)
