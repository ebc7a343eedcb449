"""The composition root: creates and connects all objects of the service."""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import falcon

from app.accounts import resources as accounts
from app.accounts.export.resources import OwnExport
from app.accounts.service import AccountsService
from app.accounts.store import AccountsStore
from app.admin import resources as admin
from app.admin.service import AdminService
from app.admin.store import AdminStore
from app.alerts import resources as alerts
from app.alerts.board import saved_searches
from app.alerts.digests.store import DigestStore
from app.alerts.matching.store import MatchingStore
from app.applications import resources as applications
from app.applications.board import ApplicationBoard
from app.auth import resources as auth
from app.auth import store as auth_store
from app.auth.attempts import AttemptRules, Counting
from app.auth.audit import store as audit_store
from app.auth.gate import SESSION_KIND, Gate
from app.auth.guesses import Guesses, Refusals
from app.auth.mailing import letters_of
from app.auth.proof import address_proof
from app.auth.refresh import RefreshTokens
from app.auth.service import AuthService, Facts
from app.auth.tokens import AccessTokens
from app.auth.upkeep import store as upkeep_store
from app.coherence import DRAIN_EVERY_S, Coherence, Kinds
from app.coherence.keeping import Answers, Keeper
from app.companies import resources as companies
from app.companies import store as companies_store
from app.companies.service import COMPANY_KIND, CompanyService
from app.config import Settings, Tuning, default_tuning
from app.errors import ConfigError
from app.events.service import EventLog
from app.events.store import EventStore
from app.events.streams.store import StreamStore
from app.feeds import resources as feeds
from app.feeds.board import feeds_of
from app.graphql import resources as graphql
from app.graphql.loading import Services
from app.health import collector as collectors
from app.health import resources as health
from app.health.performance import PerformanceService
from app.health.service import Dependencies, HealthService
from app.imports import resources as imports
from app.imports.board import import_services
from app.infra.background.afterwards import Afterwards
from app.infra.background.ticker import Ticker
from app.infra.machine.memory import memory_limit, resident_bytes
from app.infra.machine.workers import worker_count
from app.infra.memcache.client import Memcache
from app.infra.metrics.counters import Counters
from app.infra.postgres.replica import Primary
from app.infra.postgres.schema import current_version, newest_version
from app.infra.postgres.servers import Replicas, open_console, open_primary
from app.infra.postgres.statements import Preparation
from app.infra.secrets.binding import check_secrets
from app.infra.secrets.key_ring import KeyRing
from app.infra.secrets.passwords import PasswordHasher
from app.infra.tuning.fitness import Place
from app.infra.tuning.live_tuning import LiveTuning
from app.jobs import resources as jobs
from app.jobs import store as jobs_store
from app.jobs.board import Common, job_board
from app.jobs.codes.salaries import rates_in_use
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

OpenAnswers = Callable[[Counters, float, str], Answers]
"""Makes the answers that the server keeps: by the worker's counters, the share of requests to log, how ids begin."""


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

    def __init__(self, settings: Settings, counters: Counters, answers: Answers | None = None) -> None:
        self.settings, self.counters, self.answers = settings, counters, answers
        workers = worker_count(settings.workers)
        place = Place(settings.development, workers, memory_limit())
        self.tuning = LiveTuning(settings.tuning_file, default_tuning(settings), place.unfit)
        tuning = self.tuning.current
        self.memcache = Memcache(settings.memcached_servers, settings.memcached_timeout_ms)
        self.database = open_primary(settings, tuning.database)
        self.replicas = Replicas(settings, tuning.database)
        self.pooler = open_console(settings)
        self.keys = KeyRing(settings.keys_dir or Path(), settings.jwt_algorithm, settings.signing_kid)
        self.hasher = PasswordHasher(settings.pepper.encode(), tuning.passwords, workers)
        kinds = Kinds(USER_KIND, SESSION_KIND, COMPANY_KIND, JOB_KIND, SEARCH_KIND)
        self.coherence = Coherence(self.memcache, self.database, counters, tuning.cache, kinds)
        self.coherence.use_replicas(self.replicas.servers, Primary(self.database))
        self.events = EventLog(EventStore(self.database))
        if answers is not None:
            self.coherence.keep_answers(answers)
            answers.bound(tuning.cache.answers_bytes)
        self.limiter = RateLimiter(self.memcache)
        self.tokens = AccessTokens(self.keys, settings)
        self.users = UserService(users_store.UserStore(self.database), self.coherence)
        self.letters = letters_of(settings, self.database)
        companies = companies_store.CompanyStore(self.database)
        self.companies = CompanyService(companies, self.coherence, follow_company, self.letters)
        common = Common(settings.pepper.encode(), rates_in_use(settings.rates_file))
        self.board = job_board(self.database, self.coherence, self.companies, common, counters)
        self.imports = import_services(self.database, self.coherence, self.board.bulk)
        self.feeds = feeds_of(self.events, self.board, settings)
        self.board.searches.apply(tuning.cache.search)
        self.applications = ApplicationBoard(self.database, self.board.jobs, self.companies, settings)
        self.saved = saved_searches(self.database, self.board, settings)
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
        facts = Facts(self.coherence, self.users, self.companies.may_go, self.letters)
        return AuthService(self.accounts, rules, self.tokens, refresh, facts)

    def by_mail(self) -> AccountsService:
        return AccountsService(AccountsStore(self.database), self.auth(), self.letters, self.companies, self.coherence)

    def admin(self) -> AdminService:
        return AdminService(AdminStore(self.database), self.coherence, self.auth(), self.companies, self.board.jobs)

    def stands_on(self) -> Dependencies:
        objection, used = self.coherence.agreement.objection, self.coherence.replicas_used
        return Dependencies(self.database, self.pooler, self.memcache, self.confirm, objection, used)

    def confirm(self) -> None:
        """Raise ConfigError if the schema is older than this version needs, or the database belongs to another pepper.

        Raises WrongLog if the database is used with another log of changes.
        """
        version, needed = current_version(self.database), newest_version()
        if version is None or version < needed:
            raise ConfigError(f"the schema has version {version or 'none'}, {needed} is needed: run the migrations")
        check_secrets(self.database, self.settings.pepper, self.keys)
        if self.coherence.agreement.terms is None:
            self.coherence.agreement.ask()

    def gauge(self) -> None:
        """Update this worker's gauges."""
        gauge = self.counters.gauge
        gauge("tuning_generation", self.tuning.generation)
        gauge("tuning_refused", self.tuning.refused)
        gauge("resident_bytes", resident_bytes())
        self.database.show(gauge)
        self.coherence.show(gauge)
        for name, value in self.answers.stats().items() if self.answers is not None else ():
            gauge(f"answers_{name}", value)

    def start_ticking(self) -> None:
        """Start the periodic background work; intervals are in seconds."""
        self.ticker.every(1.0, self.tuning.poll, "tuning")
        self.ticker.every(1.0, self.gauge, "gauges")
        self.ticker.every(DRAIN_EVERY_S, self.coherence.drain, "outbox")
        self.ticker.every(5.0, self._poll_keys, "keys")
        self.ticker.every(5.0, self.board.upkeep.expire, "expired postings")
        self.ticker.every(10.0, self.board.upkeep.count, "counts of searches")
        self.ticker.every(2.0, self.board.upkeep.convert, "yearly salaries")
        self.ticker.every(5.0, self.events.renew, "era of events")
        self.ticker.every(600.0, self.events.rotate, "old events")
        self.ticker.every(60.0, StreamStore(self.database).rotate, "old events for accounts")
        self.ticker.every(600.0, self.imports.store.prune, "old runs of feeds")
        self.ticker.every(60.0, self.imports.settle_words, "index of words")
        self.ticker.every(30.0, self.database.prune, "idle connections")
        self.ticker.sweep(600.0, self.upkeep.prune_sessions, "expired sessions")
        self.ticker.sweep(600.0, self.letters.prune, "links of mails")
        self.ticker.sweep(600.0, self.applications.prune_old, "old applications")
        self.ticker.sweep(600.0, self.applications.prune_repeats, "answers to repeated requests")
        self.ticker.sweep(600.0, self.by_mail().remove_unverified, "accounts without a proven address")
        self.ticker.sweep(600.0, self.upkeep.prune_login_networks, "networks of logins")
        self.ticker.sweep(10.0, self.upkeep.prune_audit_log, "audit log")
        self.gauge()
        self.ticker.start()
        self.replicas.start(self.coherence.replicas)

    def close(self) -> None:
        self.ticker.stop()
        self.memcache.close()
        self.replicas.close()
        self.database.close()
        if self.pooler is not None:
            self.pooler.close()
        self.hasher.close()

    def keeper(self) -> Keeper | None:
        return None if self.answers is None else Keeper(self.answers, self.coherence, self.counters)

    def _poll_keys(self) -> None:
        """Tokens of a withdrawn key get no kept answers."""
        if self.keys.poll():
            self.coherence.answers.forget(None)

    def _apply(self, tuning: Tuning) -> None:
        self.database.apply(tuning.database)
        self.replicas.apply(tuning.database)
        self.hasher.apply(tuning.passwords)
        self.coherence.apply(tuning.cache)
        self.board.searches.apply(tuning.cache.search)
        if self.answers is not None:
            self.answers.bound(tuning.cache.answers_bytes)
        self.coherence.answers.forget(None)  # they were made with other limits, or compressed in another way


def create_app(
    settings: Settings, counters: Counters, slot: int | None = None, open_answers: OpenAnswers | None = None
) -> Application:
    """Create the application of one worker, after the fork; `slot` is the worker's place in `counters`."""
    counters.claim(slot)
    prefix = secrets.token_hex(6)
    parts = Parts(settings, counters, open_answers and open_answers(counters, settings.log_requests, prefix))
    gate = Gate(parts.accounts, parts.tokens, parts.coherence, parts.users)
    may_do = address_proof(settings, parts.users).require
    numbers = {route: number for number, route in enumerate(measured_routes())}
    middleware: list[Any] = [
        MeasureMiddleware(counters, numbers, settings.log_requests, parts.keeper()),
        Compress(parts.tuning),
        RequestMiddleware(gate.admit, parts.coherence.agreement.require, parts.limiter, parts.tuning, prefix, may_do),
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
    checks, administration, by_mail = HealthService(needs), parts.admin(), parts.by_mail()
    postings = collectors.PostingsCollector(parts.board.upkeep.standing, parts.events.behind_s)
    tasks, sources = collectors.TasksCollector(parts.database), collectors.FeedsCollector(parts.imports.store.standing)
    standing = DigestStore(parts.database).standing
    matching = collectors.AlertsCollector(MatchingStore(parts.database).behind_s, standing)
    others = collectors.DependenciesCollector(needs, parts.keys), postings, tasks, sources, matching
    may_write = parts.coherence.agreement.require
    shown = Services(parts.users, parts.companies, parts.board, parts.applications.service, parts.saved)
    performance = PerformanceService(parts.counters, parts.gauge, *others)
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
        *accounts.all_resources(by_mail, service.may_ask_for_mail, parts.saved.unsubscribe),
        users.OwnSettings(parts.users),
        OwnExport(parts.database),
        users.Account(parts.users, auth.AccountDeletion(service)),
        users.UserBatch(parts.users),
        users.PublicProfile(parts.users),
        *companies.all_resources(parts.companies),
        jobs.CompanyJobs(parts.board.jobs),
        *feeds.all_resources(parts.feeds),
        *imports.all_resources(parts.imports, parts.board.jobs, parts.companies),
        jobs.OneJob(parts.board.jobs),
        jobs.JobBatches(parts.board.jobs),
        jobs.Searches(parts.board.searches),
        jobs.SimilarJobs(parts.board.searches),
        jobs.JobSuggestions(parts.board.suggestions),
        *alerts.all_resources(parts.saved),
        *applications.all_resources(parts.applications),
        graphql.endpoint(shown, parts.settings, graphql.Edge(parts.limiter, parts.tuning, parts.counters, may_write)),
        *admin.all_resources(administration),
        health.Health(checks),
        health.Live(checks),
        health.Ready(checks),
        health.PerformanceMetrics(performance),
        health.PrometheusMetrics(performance),
        health.OpenApi(description),
        health.Start(),
        health.Documentation(description),
        health.DocumentationFile(graphql.explorer_files(parts.settings)),
    ]
