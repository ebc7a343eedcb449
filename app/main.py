"""The composition root: everything that the service is made of is made and joined here."""

import logging

import falcon

from app.auth import resources as auth
from app.auth import store as auth_store
from app.auth.access import AccessRules
from app.auth.gate import SESSION_KIND, Gate
from app.auth.refresh import RefreshTokens
from app.auth.service import AuthService, Facts
from app.auth.tokens import AccessTokens
from app.coherence import Coherence, Kinds
from app.config import Settings, Tuning, default_tuning
from app.health import resources as health
from app.health.service import HealthService
from app.infra.counters import Counters
from app.infra.keys import KeyRing
from app.infra.memcache import Memcache
from app.infra.passwords import PasswordHasher
from app.infra.postgres import Database
from app.infra.statements import Preparation
from app.infra.ticker import Ticker
from app.infra.tuning import LiveTuning
from app.routes import ROUTES, add_routes, measured_routes
from app.users import resources as users
from app.users import store as users_store
from app.users.service import USER_KIND, UserService
from app.web.compression import Compress
from app.web.edge import Edge, Measure, Request
from app.web.errors import add_error_handlers
from app.web.limits import RateLimiter
from app.web.openapi import document
from app.web.resource import Resource

PRUNE_SECONDS = 600.0
log = logging.getLogger(__name__)


def preparation() -> Preparation:
    """What PgBouncer has prepared on each of its connections."""
    return Preparation((*users_store.PREPARED, *auth_store.PREPARED))


class Parts:
    """The long-lived objects of one worker process."""

    def __init__(self, settings: Settings, counters: Counters) -> None:
        self.settings, self.counters = settings, counters
        self.tuning = LiveTuning(settings.tuning_file, default_tuning(settings))
        tuning = self.tuning.current
        self.memcache = Memcache(settings.memcached_servers, settings.memcached_timeout_ms)
        self.database = Database(settings.database_url, tuning.database, prepared=settings.prepared_statements)
        self.keys = KeyRing(settings.keys_dir, settings.jwt_algorithm, settings.signing_kid)
        self.hasher = PasswordHasher(settings.pepper.encode(), tuning.passwords)
        self.coherence = Coherence(self.memcache, self.database, counters, tuning.cache, Kinds(users=USER_KIND, sessions=SESSION_KIND))
        self.limiter = RateLimiter(self.memcache)
        self.tokens = AccessTokens(self.keys, settings)
        self.users = UserService(users_store.UserStore(self.database), self.coherence)
        self.accounts = auth_store.AuthStore(self.database)
        self.health = HealthService(self)

    def auth(self) -> AuthService:
        rules = AccessRules(self.hasher, self.limiter, self.tuning)
        refresh = RefreshTokens(self.settings.pepper.encode(), self.settings.refresh_token_seconds)
        return AuthService(self.accounts, rules, self.tokens, refresh, Facts(self.coherence, self.users))

    def follow_tuning(self) -> None:
        self.tuning.subscribe(self._apply)

    def _apply(self, tuning: Tuning) -> None:
        self.database.apply(tuning.database)
        self.hasher.apply(tuning.passwords)
        self.coherence.apply(tuning.cache)


def create_app(settings: Settings, counters: Counters) -> falcon.App:
    """The WSGI application of one worker; called in the worker, after the fork."""
    parts = Parts(settings, counters)
    parts.follow_tuning()
    gate = Gate(parts.accounts, parts.tokens, parts.coherence, parts.users)
    numbers = {route: number for number, route in enumerate(measured_routes())}
    middleware = [
        Measure(counters, numbers, settings.log_requests),
        Compress(parts.tuning),
        Edge(gate.admit, parts.limiter, parts.tuning, settings.body_limit),
    ]
    app = falcon.App(middleware=middleware, request_type=Request, independent_middleware=True)
    app.resp_options.default_media_type = falcon.MEDIA_JSON
    add_error_handlers(app)
    add_routes(app, _resources(parts))
    _start_ticking(parts)
    return app


def _resources(parts: Parts) -> dict[type[Resource], Resource]:
    service, description = parts.auth(), document(ROUTES)
    made: list[Resource] = [
        auth.Registrations(service),
        auth.Logins(service),
        auth.Refreshes(service),
        auth.Logouts(service, parts.tokens),
        auth.OwnSessions(service),
        auth.OwnSession(service),
        auth.Password(service),
        auth.Account(parts.users, service),
        auth.SigningKeys(parts.keys),
        users.UserBatch(parts.users),
        users.PublicProfile(parts.users),
        health.Health(parts.health),
        health.Live(parts.health),
        health.Ready(parts.health),
        health.Performance(parts.health),
        health.Metrics(parts.health),
        health.OpenApi(description),
        health.Documentation(description),
    ]
    return {type(each): each for each in made}


def _start_ticking(parts: Parts) -> None:
    ticker = Ticker()
    ticker.every(1.0, parts.tuning.poll, "tuning")
    ticker.every(5.0, parts.keys.poll, "keys")
    ticker.every(2.0, parts.coherence.drain, "outbox")
    ticker.every(PRUNE_SECONDS, parts.accounts.prune_sessions, "prune")
    ticker.start()
