"""What a worker does to tell both sides of applications; mails to members name no candidate."""

from app.applications.notices import store
from app.applications.notices.store import Addressed
from app.applications.notices.tasks import TELL_CANDIDATE, TELL_COMPANY
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
        return [Duty(TELL_CANDIDATE, self.tell_candidate), Duty(TELL_COMPANY, self.tell_company)]

    def tell_candidate(self, step: int) -> None:
        """Mail that the application has arrived, or its new stage."""
        with self._database.transaction() as transaction:
            found = store.find_step(transaction, step)
            if found is not None:
                to, stage = found
                kind: Kind = "applied" if stage == "submitted" else "stage"
                spelled = texts_of(to.language)["stages"].get(stage, stage)
                post(transaction, _mail(f"application step {step}", kind, to, {"name": to.name, "stage": spelled}))

    def tell_company(self, job: int) -> None:
        """Mail every member that there are new applications."""
        with self._database.transaction() as transaction:
            for to, member_id, newest in store.list_members(transaction, job):
                post(transaction, _mail(f"applicants {job} {newest} {member_id}", "applicants", to, {"name": to.name}))


def _mail(key: str, kind: Kind, to: Addressed, values: dict[str, str]) -> Mail:
    return Mail(key, kind, to.email, to.language, {"job": to.job, "company": to.company} | values)
