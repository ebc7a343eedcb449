"""The service of saved searches, joined for one worker."""

from app.alerts.digests.store import DigestStore
from app.alerts.service import Alerts, SavedSearchService
from app.alerts.store import SavedSearchStore
from app.alerts.unsubscribing import UnsubscribeTokens
from app.config import Settings
from app.infra.postgres.database import Database
from app.jobs.board import Board


def saved_searches(database: Database, board: Board, settings: Settings) -> SavedSearchService:
    """The pepper authenticates tokens; it is the same for all workers."""
    tokens = UnsubscribeTokens(settings.pepper.encode())
    alerts = Alerts(DigestStore(database), tokens, bool(settings.mail_url))
    return SavedSearchService(SavedSearchStore(database), board, alerts)
