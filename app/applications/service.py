"""Rules of applications: one for each candidate and job, seen by the candidate and by members of the company."""

import hashlib
import re
from collections.abc import Collection, Sequence

import msgspec
from msgspec import UNSET

from app.applications import store
from app.applications.cursors import ApplicationCursors
from app.applications.cvs import store as cvs
from app.applications.cvs.pdf import require_pdf
from app.applications.notices.tasks import Notices
from app.applications.questions import checked
from app.applications.repeats import store as repeats
from app.applications.repeats.store import Repeatable
from app.applications.schemas import (
    KEY_PATTERN,
    Answer,
    Application,
    ApplicationBrief,
    ApplicationPatch,
    Applications,
    NewApplication,
    Stage,
)
from app.applications.store import NOTES_MAX, STEPS_MAX, ApplicationStore, Stored
from app.companies.service import CompanyService, NotAMember
from app.errors import BadRequest, Conflict, Forbidden, Gone, NotFound, PreconditionFailed, RateLimited
from app.infra.postgres.database import Database, Transaction
from app.jobs.service import JobService

DAY_MAX = 100
"""New applications of one account within a day; each may have a CV of 5 MiB."""

PARTS = frozenset({"history", "cv", "notes"})
"""What an application has beside its own row; each is read by a statement."""

_KEY = re.compile(KEY_PATTERN.replace("$", r"\Z"))
ENDS: tuple[Stage, ...] = ("hired", "rejected")
_decode = msgspec.json.Decoder(Application).decode


class NotOpen(Conflict):
    """Nobody can apply for the job any more, or not yet."""

    code, title = "not_open", "The job is not open for applications"


class AppliesElsewhere(Conflict):
    """The company wants applications at a URL or e-mail address of its own."""

    code, title = "applies_elsewhere", "Apply where the posting says"


class WrongStage(Conflict):
    """The application's stage does not allow the change."""

    code, title = "wrong_stage", "The application is in a stage that does not allow this"


class TooManyStages(Conflict):
    """The application's history has no room for another stage that the company sets."""

    code, title = "too_many_stages", "The stage has been changed too often"


class TooManyNotes(Conflict):
    """The application has as many notes as it can have."""

    code, title = "too_many_notes", "The application has too many notes"


class NotTheCandidate(Forbidden):
    """Only whoever has applied may do this."""

    code, title = "not_the_candidate", "Only the candidate may do this"


class ApplicationService:
    """Nothing of applications is cached: every read is as fresh as the last commit."""

    def __init__(
        self, applications: ApplicationStore, jobs: JobService, companies: CompanyService,
        cursors: ApplicationCursors, notices: Notices,
    ) -> None:  # fmt: skip
        self._store, self._jobs, self._companies = applications, jobs, companies
        self._cursors, self._notices = cursors, notices

    def apply(self, job_id: int, user_id: int, new: NewApplication, key: str | None) -> tuple[Application, int]:
        """(the candidate's only application for the job, 201 if it is new, else 200).

        With the key of an earlier request that made the application the answer is that of then. Of one that found it,
        only the key is kept: an account may send 200 keys a day, and a copy of the application with each would fill
        the database. Raises NotFound, NotOpen, AppliesElsewhere, Invalid, RateLimited, KeyReused, or BadRequest for a
        key that does not fit KEY_PATTERN.
        """
        if key is not None and not _KEY.match(key):
            raise BadRequest("an Idempotency-Key has 1 to 100 visible characters of ASCII")
        before = self._store.find_id(job_id, user_id)
        answers: tuple[Answer, ...] = ()
        if before is None:
            answers = self._answers(job_id, user_id, new)
            self._take_one(user_id)
        repeatable = None if key is None else Repeatable(user_id, key, _hash(job_id, new))
        with self._store.transaction() as transaction:
            first = repeats.claim(transaction, repeatable) if repeatable else None
            if first and first[1]:
                return _decode(first[1]), first[0]
            made = store.insert(transaction, job_id, user_id, new.letter, answers)
            if made:
                self._notices.submitted(transaction, job_id, *made)
            found = made[0] if made else store.find_id(transaction, job_id, user_id)
            if found is None:
                raise NotOpen
            shown, status = self._shown(transaction, _existing(transaction, found)), 201 if made else 200
            if repeatable and (made or first is None):
                repeats.keep(transaction, repeatable, status, msgspec.json.encode(shown).decode() if made else "")
        return shown, status

    def read(self, application_id: int, user_id: int, parts: Collection[str] = PARTS) -> Application:
        """For the candidate, or for a member with notes; raises NotFound for all others.

        Parts that are not asked for are empty.
        """
        stored, member = self._may_see(application_id, user_id)
        return self._shown(self._store.database, stored, member=member, parts=parts)

    def own(self, user_id: int, cursor: str | None, limit: int) -> Applications:
        """A page of the candidate's applications; raises Invalid for a wrong cursor."""
        listed = f"of {user_id}"
        return self._page(listed, self._store.list_own(user_id, self._before(listed, cursor), limit + 1), limit)

    def of_job(
        self, job_id: int, user_id: int, stages: Sequence[Stage] | None, cursor: str | None, limit: int
    ) -> Applications:  # fmt: skip
        """A page of a job's applications for a member; raises what `JobService.for_member` does, or Invalid."""
        self._jobs.for_member(job_id, user_id)
        listed = f"for {job_id} {sorted(stages or ())}"
        before = self._before(listed, cursor)
        return self._page(listed, self._store.list_by_job(job_id, stages, before, limit + 1), limit)

    def change(self, application_id: int, user_id: int, patch: ApplicationPatch, version: int | None) -> Application:
        """For members; raises NotFound, NotAMember, WrongStage, TooManyStages, TooManyNotes or PreconditionFailed."""
        _, member = self._may_see(application_id, user_id)
        if not member:
            raise NotAMember
        with self._store.transaction() as transaction:
            stage = _lock(transaction, application_id, version)
            moved = patch.stage not in (UNSET, stage)
            if moved and stage == "withdrawn":
                raise WrongStage("the candidate has withdrawn it")
            if patch.stage is not UNSET and moved:
                _require_room_for_step(transaction, application_id)
                store.set_stage(transaction, application_id, patch.stage, user_id, by_candidate=False)
                self._notices.moved(transaction, patch.stage, application_id)
            if patch.note is not UNSET:
                _require_room_for_note(transaction, application_id)
                store.add_note(transaction, application_id, user_id, patch.note)
            if moved or patch.note is not UNSET:
                store.touch(transaction, application_id)
            return self._shown(transaction, _existing(transaction, application_id), member=True)

    def withdraw(self, application_id: int, user_id: int) -> Application:
        """For the candidate; repeated, it changes nothing. Raises NotFound, NotTheCandidate or WrongStage."""
        self._require_candidate(application_id, user_id)
        with self._store.transaction() as transaction:
            stage = _lock(transaction, application_id, None)
            if stage in ENDS:
                raise WrongStage(f"it is {stage}")
            if stage != "withdrawn":
                store.set_stage(transaction, application_id, "withdrawn", user_id, by_candidate=True)
                store.touch(transaction, application_id)
            return self._shown(transaction, _existing(transaction, application_id))

    def put_cv(self, application_id: int, user_id: int, pdf: bytes) -> Application:
        """Store the candidate's CV in place of the one before.

        Raises NotFound, NotTheCandidate, Invalid, or WrongStage once the application has ended.
        """
        self._require_candidate(application_id, user_id)
        require_pdf(pdf)
        with self._store.transaction() as transaction:
            stage = _lock(transaction, application_id, None)
            if stage in (*ENDS, "withdrawn"):
                raise WrongStage(f"it is {stage}")
            cvs.put(transaction, application_id, pdf)
            store.touch(transaction, application_id)
            return self._shown(transaction, _existing(transaction, application_id))

    def cv(self, application_id: int, user_id: int) -> bytes:
        """For the candidate and for members; raises NotFound."""
        self._may_see(application_id, user_id)
        with self._store.transaction() as transaction:
            pdf = cvs.read(transaction, application_id)
        if pdf is None:
            raise NotFound("the application has no CV")
        return pdf

    def _require_candidate(self, application_id: int, user_id: int) -> None:
        stored, _ = self._may_see(application_id, user_id)
        if stored.brief.candidate.id != user_id:
            raise NotTheCandidate

    def _answers(self, job_id: int, user_id: int, new: NewApplication) -> tuple[Answer, ...]:
        try:
            fact, _ = self._jobs.job(job_id, lambda: user_id)
        except Gone as error:
            raise NotOpen(error.detail) from None
        if not fact.found:
            raise NotOpen(f"it is {fact.state}")
        apply = fact.posting.detail.apply
        if apply.kind != "internal":
            raise AppliesElsewhere(apply.target or "")
        return checked(apply.questions, new.answers)

    def _take_one(self, user_id: int) -> None:
        """Raises RateLimited beyond DAY_MAX; requests in parallel may exceed it by their number."""
        count, resets_in = self._store.count_recent(user_id)
        if count >= DAY_MAX:
            raise RateLimited("applications", DAY_MAX, 86_400, max(1, resets_in))

    def _may_see(self, application_id: int, user_id: int) -> tuple[Stored, bool]:
        """The application, and whether the user is a member of its company; raises NotFound."""
        stored = self._store.find(application_id)
        if stored is not None:
            member = self._companies.membership(stored.brief.job.company.id, user_id) is not None
            if member or stored.brief.candidate.id == user_id:
                return stored, member
        raise NotFound("there is no such application")

    def _before(self, listed: str, cursor: str | None) -> int:
        return self._cursors.before(listed, cursor)

    def _page(self, listed: str, found: Sequence[ApplicationBrief], limit: int) -> Applications:
        page = list(found[:limit])
        return Applications(page, self._cursors.seal(listed, page[-1].id) if len(found) > limit else None)

    @staticmethod
    def _shown(
        database: Database | Transaction, stored: Stored, *, member: bool = False, parts: Collection[str] = PARTS
    ) -> Application:  # fmt: skip
        application_id = stored.brief.id
        return Application(
            **msgspec.structs.asdict(stored.brief),
            letter=stored.letter,
            answers=stored.answers,
            history=store.steps(database, application_id, actors=member) if "history" in parts else [],
            cv=cvs.describe(database, application_id) if "cv" in parts else None,
            notes=UNSET if not member else store.notes(database, application_id) if "notes" in parts else [],
        )


def _hash(job_id: int, new: NewApplication) -> bytes:
    return hashlib.blake2b(b"%d\n" % job_id + msgspec.json.encode(new), digest_size=32).digest()


def _existing(transaction: Transaction, application_id: int) -> Stored:
    found = store.find(transaction, application_id)
    if found is None:
        raise NotFound("there is no such application")
    return found


def _lock(transaction: Transaction, application_id: int, version: int | None) -> Stage:
    """The stage, locked; raises NotFound, or PreconditionFailed if `version` is not the current one."""
    locked = store.lock(transaction, application_id)
    if locked is None:
        raise NotFound("there is no such application")
    if version not in (None, locked[1]):
        raise PreconditionFailed("the application has changed meanwhile")
    return locked[0]


def _require_room_for_step(transaction: Transaction, application_id: int) -> None:
    """Raises TooManyStages; the last one is left to a withdrawal. The application must be locked."""
    if store.count_steps(transaction, application_id) >= STEPS_MAX - 1:
        raise TooManyStages(f"an application has at most {STEPS_MAX} stages in its history, the last by a withdrawal")


def _require_room_for_note(transaction: Transaction, application_id: int) -> None:
    """Raises TooManyNotes; the application must be locked."""
    if store.count_notes(transaction, application_id) >= NOTES_MAX:
        raise TooManyNotes(f"an application has at most {NOTES_MAX} notes")
