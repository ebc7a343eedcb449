"""The services of feeds, joined for one worker."""

from dataclasses import dataclass

from app.config import Settings
from app.events.service import EventLog
from app.feeds.atom import AtomFeeds
from app.feeds.changes import ChangeFeed
from app.feeds.cursors import ChangeCursors
from app.feeds.openings import Openings
from app.feeds.polling import Tail
from app.feeds.sitemaps import Sitemaps
from app.jobs.board import Board
from app.jobs.exports.service import Exporter
from app.jobs.links import links_of


@dataclass(frozen=True, slots=True)
class Feeds:
    """The services that resources use."""

    changes: ChangeFeed
    atom: AtomFeeds
    sitemaps: Sitemaps
    openings: Openings


def feeds_of(events: EventLog, board: Board, settings: Settings) -> Feeds:
    """The pepper authenticates cursors; it is the same for all workers."""
    secret = settings.pepper.encode()
    links = links_of(settings)
    return Feeds(
        change_feed(events, board.exports, secret),
        AtomFeeds(board.searches, links, secret),
        Sitemaps(board.exports, links),
        Openings(board.exports, links),
    )


def change_feed(events: EventLog, exporter: Exporter, secret: bytes) -> ChangeFeed:
    """`secret` authenticates cursors and is the same for all workers."""
    return ChangeFeed(events, exporter, ChangeCursors(secret), Tail(events))
