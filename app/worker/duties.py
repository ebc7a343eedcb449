"""The composition root of a worker: which tasks it knows, with the services that their handlers use."""

from app.alerts.digests.content import DigestMails
from app.alerts.digests.duties import DigestDuties
from app.alerts.digests.service import DigestMaker
from app.alerts.digests.store import DigestStore
from app.alerts.duties import AlertUpkeep
from app.alerts.matching.service import Matcher
from app.alerts.matching.store import MatchingStore
from app.applications.notices.duties import ApplicationDuties
from app.auth.links.duties import MailDuties
from app.auth.mailing import letters_of, mail_service
from app.config import Settings, Tuning, default_tuning
from app.events.service import EventLog
from app.events.store import EventStore
from app.infra.memcache.client import Memcache
from app.infra.postgres.database import Database
from app.infra.tuning.fitness import Place
from app.infra.tuning.live_tuning import LiveTuning
from app.jobs.codes.salaries import rates_in_use
from app.tasks.store import QueueStore
from app.tasks.task import Duty
from app.web.limits import RateLimiter
from app.worker.upkeep import Upkeep


class Parts:
    """The long-lived objects of a worker process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        place = Place(settings.development, 1, memory_bytes=None)  # a worker has none of the caches
        self.tuning = LiveTuning(settings.tuning_file, default_tuning(settings), place.unfit)
        self.database = Database(
            settings.database_url,
            self.tuning.current.database,
            prepared=False,
            direct=not settings.pgbouncer_console_url,
        )
        self.store = QueueStore(self.database)
        self.upkeep = Upkeep(self.database, self.store, settings.tasks_silent_seconds)
        rates = rates_in_use(settings.rates_file)
        self.matcher = Matcher(EventLog(EventStore(self.database)), MatchingStore(self.database), rates)
        self.digests = DigestMaker(DigestStore(self.database), rates)
        self.memcache = Memcache(settings.memcached_servers, settings.memcached_timeout_ms)
        self.letters = letters_of(settings, self.database)
        self.mail = mail_service(settings, self.database, RateLimiter(self.memcache), self.tuning, self.letters)
        self.tuning.subscribe(self._apply)

    def duties(self) -> list[Duty]:
        """Every task that this version knows."""
        always = [self.upkeep.duty(), *AlertUpkeep(self.database).duties()]
        if self.mail is None:
            return always
        mails = MailDuties(self.database, self.letters, self.mail)
        digests = DigestDuties(self.database, DigestMails(self.settings), self.mail)
        return [*always, *mails.duties(), *digests.duties(), *ApplicationDuties(self.database).duties()]

    def close(self) -> None:
        self.database.close()
        self.memcache.close()

    def _apply(self, tuning: Tuning) -> None:
        self.database.apply(tuning.database)
