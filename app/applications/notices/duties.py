"""What a worker does to tell both sides of applications; mails to members name no candidate."""

from app.applications.notices import store
from app.applications.notices.store import Addressed
from app.applications.notices.tasks import PAUSE_S, TELL_CANDIDATE, TELL_COMPANY, TELL_STAGE, TOLD, tell_stage
from app.applications.schemas import Stage
from app.auth.links.duties import post
from app.infra.postgres.database import Database
from app.mail.messages import Mail
from app.mail.texts import Kind, texts_of
from app.tasks.task import Duty


class ApplicationDuties:
    """A repeated task writes mails with the same key, so that they have the same Message-ID."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def duties(self) -> list[Duty]:
        return [
            Duty(TELL_CANDIDATE, self.tell_candidate),
            Duty(TELL_STAGE, self.tell_stage),
            Duty(TELL_COMPANY, self.tell_company),
        ]

    def tell_candidate(self, step: int) -> None:
        """Mail that the application has arrived; the previous version also names steps to other stages."""
        with self._database.transaction() as transaction:
            found = store.find_step(transaction, step)
            if found is not None:
                post(transaction, _news(*found, step))

    def tell_stage(self, application: int) -> None:
        """Mail the stage that the application has now, later if the candidate was told of another within an hour."""
        with self._database.transaction() as transaction:
            found = store.find_untold(transaction, application, TOLD)
            if found is None:
                return
            if store.pause_left_s(transaction, application, PAUSE_S) > 0.0:
                tell_stage(transaction, application)
                return
            post(transaction, _news(*found))
            store.set_told(transaction, application)

    def tell_company(self, job: int) -> None:
        """Mail every member that there are new applications."""
        with self._database.transaction() as transaction:
            for to, member_id, newest in store.list_members(transaction, job):
                post(transaction, _mail(f"applicants {job} {newest} {member_id}", "applicants", to, {"name": to.name}))


def _news(to: Addressed, stage: Stage, step: int) -> Mail:
    kind: Kind = "applied" if stage == "submitted" else "stage"
    spelled = texts_of(to.language)["stages"].get(stage, stage)
    return _mail(f"application step {step}", kind, to, {"name": to.name, "stage": spelled})


def _mail(key: str, kind: Kind, to: Addressed, values: dict[str, str]) -> Mail:
    return Mail(key, kind, to.email, to.language, {"job": to.job, "company": to.company} | values)
