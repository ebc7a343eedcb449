"""The services of applications, joined for one worker."""

from app.applications.cursors import ApplicationCursors
from app.applications.notices.tasks import Notices
from app.applications.repeats import store as repeats
from app.applications.service import ApplicationService
from app.applications.store import ApplicationStore
from app.applications.upkeep import store as upkeep
from app.companies.service import CompanyService
from app.config import Settings
from app.infra.postgres.database import Database
from app.jobs.service import JobService


class ApplicationBoard:
    """What resources and the ticker use."""

    def __init__(self, database: Database, jobs: JobService, companies: CompanyService, settings: Settings) -> None:
        self._database, self._months = database, settings.application_months
        cursors = ApplicationCursors(settings.pepper.encode())
        notices = Notices(bool(settings.mail_url))
        self.service = ApplicationService(ApplicationStore(database), jobs, companies, cursors, notices)

    def prune_repeats(self) -> int:
        """Delete answers to repeated requests that are kept no longer; returns how many."""
        return repeats.prune(self._database)

    def prune_old(self) -> int:
        """Delete applications that are kept no longer; returns how many."""
        return upkeep.prune(self._database, self._months) if self._months else 0
