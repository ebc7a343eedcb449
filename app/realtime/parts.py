"""The composition root of the realtime gateway."""

from pathlib import Path

from app.auth.live.store import LiveSessions
from app.auth.tokens import AccessTokens
from app.config import Settings, default_tuning
from app.events.streams.service import StreamLog
from app.events.streams.store import StreamStore
from app.infra.memcache.client import Memcache
from app.infra.metrics.counters import Counters
from app.infra.postgres.database import Database
from app.infra.secrets.key_ring import KeyRing
from app.infra.tuning.fitness import Place
from app.infra.tuning.live_tuning import LiveTuning
from app.realtime.hub import Sources


class Parts:
    """The long-lived objects of the process, without its event loop."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        place = Place(settings.development, 1, memory_bytes=None)  # the gateway has none of the caches
        self.tuning = LiveTuning(settings.tuning_file, default_tuning(settings), place.unfit)
        self.counters = Counters.create([], slots=1)
        self.counters.claim(0)
        self.memcache = Memcache(settings.memcached_servers, settings.memcached_timeout_ms)
        direct = not settings.pgbouncer_console_url
        self.database = Database(settings.database_url, self.tuning.current.database, prepared=False, direct=direct)
        self.keys = KeyRing(settings.keys_dir or Path(), settings.jwt_algorithm, settings.signing_kid)
        self.sources = Sources(
            StreamLog(StreamStore(self.database)),
            LiveSessions(self.database, settings.session_seconds),
            AccessTokens(self.keys, settings),
        )

    def close(self) -> None:
        self.database.close()
        self.memcache.close()
