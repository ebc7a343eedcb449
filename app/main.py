"""The composition root: creates and connects all objects of the service."""

import logging
from pathlib import Path
from typing import Any

import falcon

from app.admin import resources as admin
from app.admin.service import AdminService
from app.admin.store import AdminStore
from app.auth import resources as auth
from app.auth import store as auth_store
from app.auth.attempts import AttemptRules, Counting
from app.auth.audit import store as audit_store
from app.auth.gate import SESSION_KIND, Gate
from app.auth.guesses import Guesses, Refusals
from app.auth.refresh import RefreshTokens
from app.auth.service import AuthService, Facts
from app.auth.tokens import AccessTokens
from app.auth.upkeep import store as upkeep_store
from app.coherence import DRAIN_EVERY_S, Coherence, Kinds
from app.coherence.log.change_log import ChangeLog
from app.coherence.log.store import LogRecord
from app.coherence.replace_log import replace_log
from app.companies import resources as companies
from app.companies import store as companies_store
from app.companies.service import COMPANY_KIND, CompanyService
from app.config import DatabaseTuning, Settings, Tuning, default_tuning
from app.errors import ConfigError, Unavailable
from app.health import resources as health
from app.health.collector import DependenciesCollector, PostingsCollector
from app.health.performance import PerformanceService
from app.health.service import Dependencies, HealthService
from app.infra.background.afterwards import Afterwards
from app.infra.background.ticker import Ticker
from app.infra.machine.memory import memory_limit, resident_bytes
from app.infra.machine.workers import worker_count
from app.infra.memcache.client import Memcache, Server
from app.infra.metrics.counters import Counters
from app.infra.postgres.database import Database
from app.infra.postgres.schema import current_version, newest_version
from app.infra.postgres.statements import Preparation
from app.infra.secrets.identity import check_identity, fingerprint
from app.infra.secrets.key_ring import KeyRing
from app.infra.secrets.passwords import PasswordHasher
from app.infra.tuning.fitness import Place
from app.infra.tuning.live_tuning import LiveTuning
from app.jobs import resources as jobs
from app.jobs import store as jobs_store
from app.jobs.board import job_board
from app.jobs.facts import JOB_KIND
from app.jobs.outcomes import SEARCH_KIND
from app.jobs.service import follow_company
from app.routes import ROUTES, add_routes, measured_routes
from app.users import resources as users
from app.users import store as users_store
from app.users.service import USER_KIND, UserService
from app.web.compression import Compress
from app.web.cors import CorsMiddleware
from app.web.errors import add_error_handlers
from app.web.limits import RateLimiter
from app.web.middleware import MeasureMiddleware, Request, RequestMiddleware, Response
from app.web.openapi.description import document
from app.web.resource import Resource

_ONE_CONNECTION = DatabaseTuning(pool_min=1, pool_max=1, acquire_timeout_ms=1000)
LOG_TIMEOUT_S = 1.0
log = logging.getLogger(__name__)


def preparation() -> Preparation:
    """The statements that PgBouncer prepares on each server connection."""
    stores = (users_store, auth_store, audit_store, companies_store, jobs_store)
    return Preparation([statement for each in stores for statement in each.PREPARED])


class Application(falcon.App[Request, Response]):
    """The WSGI application of one worker; `close` stops its background work."""

    parts: "Parts"

    def close(self) -> None:
        """Stop background work and close all connections."""
        self.parts.close()


class Parts:
    """The long-lived objects of one worker process."""

    def __init__(self, settings: Settings, counters: Counters) -> None:
        self.settings, self.counters = settings, counters
        workers = worker_count(settings.workers)
        place = Place(settings.development, workers, memory_limit())
        self.tuning = LiveTuning(settings.tuning_file, default_tuning(settings), place.unfit)
        tuning = self.tuning.current
        self.memcache = Memcache(settings.memcached_servers, settings.memcached_timeout_ms)
        console = settings.pgbouncer_console_url
        self.database = Database(
            settings.database_url, tuning.database, prepared=settings.prepared_statements, direct=not console
        )
        self.pooler = Database(console, _ONE_CONNECTION, prepared=False) if console else None
        self.keys = KeyRing(settings.keys_dir or Path(), settings.jwt_algorithm, settings.signing_kid)
        self.hasher = PasswordHasher(settings.pepper.encode(), tuning.passwords, workers)
        kinds = Kinds(USER_KIND, SESSION_KIND, COMPANY_KIND, JOB_KIND, SEARCH_KIND)
        self.coherence = Coherence(self.memcache, self.database, counters, tuning.cache, kinds)
        self.limiter = RateLimiter(self.memcache)
        self.tokens = AccessTokens(self.keys, settings)
        self.users = UserService(users_store.UserStore(self.database), self.coherence)
        self.companies = CompanyService(companies_store.CompanyStore(self.database), self.coherence, follow_company)
        self.board = job_board(self.database, self.coherence, self.companies, settings.pepper.encode(), counters)
        self.board.searches.apply(tuning.cache.search)
        self.afterwards = Afterwards()
        life = auth_store.SessionLife(settings.refresh_token_seconds, settings.session_seconds)
        self.accounts = auth_store.AuthStore(self.database, self.afterwards, life)
        self.audit = audit_store.AuditStore(self.database)
        self.upkeep = upkeep_store.UpkeepStore(self.database, self.tuning)
        self.ticker = Ticker()
        self.tuning.subscribe(self._apply)

    def auth(self) -> AuthService:
        counting = Counting(self.limiter, Guesses(self.memcache), Refusals(self.audit, self.afterwards))
        rules = AttemptRules(self.hasher, counting, self.tuning, self.audit, self.afterwards)
        refresh = RefreshTokens(self.settings.pepper.encode())
        facts = Facts(self.coherence, self.users, self.companies.may_go)
        return AuthService(self.accounts, rules, self.tokens, refresh, facts)

    def admin(self) -> AdminService:
        return AdminService(AdminStore(self.database), self.coherence, self.auth(), self.companies, self.board.jobs)

    def stands_on(self) -> Dependencies:
        return Dependencies(self.database, self.pooler, self.memcache, self.confirm, self.coherence.agreement.objection)

    def confirm(self) -> None:
        """Raise ConfigError if the schema is older than this version needs, or the database belongs to another pepper.

        Raises WrongLog if the database is used with another log of changes.
        """
        version, needed = current_version(self.database), newest_version()
        if version is None or version < needed:
            raise ConfigError(f"the schema has version {version or 'none'}, {needed} is needed: run the migrations")
        _check_secrets(self.settings, self.database, self.keys)
        if self.coherence.agreement.terms is None:
            self.coherence.agreement.ask()

    def gauge(self) -> None:
        """Update this worker's gauges."""
        gauge, pool = self.counters.gauge, self.database.stats()
        gauge("tuning_generation", self.tuning.generation)
        gauge("tuning_refused", self.tuning.refused)
        gauge("log_refused", self.coherence.agreement.refused)
        gauge("log_changing", self.coherence.agreement.changing)
        gauge("resident_bytes", resident_bytes())
        gauge("database_connections_in_use", pool.in_use)
        gauge("database_connections_idle", pool.idle)
        gauge("database_waiting", pool.waiting)
        gauge("database_waited_seconds", pool.waited_ms_total / 1000)
        gauge("database_timeouts", pool.timeouts)
        gauge("users_cached", len(self.coherence.users))
        gauge("sessions_cached", len(self.coherence.sessions))
        gauge("companies_cached", len(self.coherence.companies))
        gauge("jobs_cached", len(self.coherence.jobs))
        gauge("searches_cached", len(self.coherence.searches))
        gauge("sessions_ended", len(self.coherence.ended_sessions))

    def start_ticking(self) -> None:
        """Start the periodic background work; intervals are in seconds."""
        self.ticker.every(1.0, self.tuning.poll, "tuning")
        self.ticker.every(1.0, self.gauge, "gauges")
        self.ticker.every(DRAIN_EVERY_S, self.coherence.drain, "outbox")
        self.ticker.every(5.0, self.keys.poll, "keys")
        self.ticker.every(5.0, self.board.upkeep.expire, "expired postings")
        self.ticker.every(10.0, self.board.upkeep.count, "counts of searches")
        self.ticker.every(2.0, self.board.upkeep.convert, "yearly salaries")
        self.ticker.every(30.0, self.database.prune, "idle connections")
        self.ticker.every(600.0, self.upkeep.prune_sessions, "expired sessions")
        self.ticker.every(600.0, self.upkeep.prune_login_networks, "networks of logins")
        self.ticker.every(10.0, self.upkeep.prune_audit_log, "audit log")
        self.gauge()
        self.ticker.start()

    def close(self) -> None:
        self.ticker.stop()
        self.memcache.close()
        self.database.close()
        if self.pooler is not None:
            self.pooler.close()
        self.hasher.close()

    def _apply(self, tuning: Tuning) -> None:
        self.database.apply(tuning.database)
        self.hasher.apply(tuning.passwords)
        self.coherence.apply(tuning.cache)
        self.board.searches.apply(tuning.cache.search)


def check_secrets(settings: Settings) -> None:
    """Raise ConfigError if the keys cannot be read or the database was set up with another pepper.

    If the database does not answer or has no schema yet, `Parts.confirm` checks it later.
    """
    keys = KeyRing(settings.keys_dir or Path(), settings.jwt_algorithm, settings.signing_kid)
    direct = not settings.pgbouncer_console_url
    database = Database(settings.database_url, _ONE_CONNECTION, prepared=False, direct=direct)
    try:
        if current_version(database) is not None:
            _check_secrets(settings, database, keys)
    except Unavailable as error:
        log.warning("the database is not there yet: %s", error.detail)
    finally:
        database.close()


def change_log_of(url: str, identity: str | None, *, lost: bool = False) -> str:
    """Change the log of changes of the database at `url`, or show it if `identity` is None; returns a message."""
    database = Database(url, _ONE_CONNECTION, prepared=False)
    try:
        record = LogRecord(database)
        if identity is None:
            return record.shown()
        return replace_log(record, identity, lambda address: ChangeLog(Server(address, LOG_TIMEOUT_S)), lost=lost)
    finally:
        database.close()


def adopt_log(url: str, identity: str, *, alone: bool) -> None:
    """Set the log of changes of a development database to `identity`, whatever it was before.

    `alone` says that no other process uses the database; else the change follows the same steps as in production.
    """
    database = Database(url, _ONE_CONNECTION, prepared=False)
    try:
        if alone:
            LogRecord(database).replace(identity)
            return
    finally:
        database.close()
    try:
        change_log_of(url, identity)
    except Unavailable:
        change_log_of(url, identity, lost=True)


def _check_secrets(settings: Settings, database: Database, keys: KeyRing) -> None:
    check_identity(database, fingerprint(settings.pepper.encode()), keys.fingerprints())


def create_app(settings: Settings, counters: Counters, slot: int | None = None) -> Application:
    """Create the application of one worker, after the fork; `slot` is the worker's place in `counters`."""
    counters.claim(slot)
    parts = Parts(settings, counters)
    gate = Gate(parts.accounts, parts.tokens, parts.coherence, parts.users)
    numbers = {route: number for number, route in enumerate(measured_routes())}
    middleware: list[Any] = [
        MeasureMiddleware(counters, numbers, settings.log_requests),
        Compress(parts.tuning),
        RequestMiddleware(gate.admit, parts.coherence.agreement.require, parts.limiter, parts.tuning),
    ]
    if settings.cors_origins:
        middleware.insert(0, CorsMiddleware(settings.cors_origins))
    app = Application(middleware=middleware, request_type=Request, response_type=Response, independent_middleware=True)
    app.parts = parts
    add_error_handlers(app)
    add_routes(app, {type(each): each for each in _resources(parts)})
    parts.start_ticking()
    return app


def _resources(parts: Parts) -> list[Resource]:
    service, description, needs = parts.auth(), document(ROUTES, parts.settings.path_prefix), parts.stands_on()
    checks, administration = HealthService(needs), parts.admin()
    collectors = DependenciesCollector(needs, parts.keys), PostingsCollector(parts.board.upkeep.standing)
    performance = PerformanceService(parts.counters, parts.gauge, *collectors)
    return [
        auth.Registrations(service),
        auth.Logins(service),
        auth.Refreshes(service),
        auth.Logouts(service, parts.tokens),
        auth.Revocations(service),
        auth.OwnSessions(service),
        auth.OwnSession(service),
        auth.Password(service),
        auth.SigningKeys(parts.keys),
        users.Account(parts.users, auth.AccountDeletion(service)),
        users.UserBatch(parts.users),
        users.PublicProfile(parts.users),
        companies.OwnCompaniesList(parts.companies),
        companies.Companies(parts.companies),
        companies.OneCompany(parts.companies),
        companies.CompanyBySlug(parts.companies),
        companies.CompanyMembers(parts.companies),
        companies.CompanyMember(parts.companies),
        jobs.CompanyJobs(parts.board.jobs),
        jobs.OneJob(parts.board.jobs),
        jobs.JobBatches(parts.board.jobs),
        jobs.Searches(parts.board.searches),
        jobs.SimilarJobs(parts.board.searches),
        jobs.JobSuggestions(parts.board.suggestions),
        admin.AdminUsers(administration),
        admin.AdminUser(administration),
        admin.Disabling(administration),
        admin.Enabling(administration),
        admin.AdminSessions(administration),
        admin.Verification(administration),
        admin.TakeDown(administration),
        admin.Audit(administration),
        health.Health(checks),
        health.Live(checks),
        health.Ready(checks),
        health.PerformanceMetrics(performance),
        health.PrometheusMetrics(performance),
        health.OpenApi(description),
        health.Start(),
        health.Documentation(description),
        health.DocumentationFile(),
    ]
