"""All settings with their defaults: `Settings` and others from the environment, `Tuning` from the tuning file."""

import os
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from msgspec import Meta, Struct

from app.errors import ConfigError
from app.variables import Network, Origin, PagesUrl, PathPrefix, PublicUrl, parse_variable, read_variable

VERSION = "0.1.0"
CONCURRENCY_MOST = 64
Activity = Literal["applying", "alerts", "posting"]
_LINE_END = {"\n", "\r", "\0"}


def setting(default: Any, doc: str) -> Any:
    """A field of a settings class; `doc` is its description in the table of settings."""
    return field(default=default, metadata={"doc": doc})


@dataclass(frozen=True, slots=True)
class Settings:
    """Read once at start; the environment variable is the upper-case name, `<NAME>_FILE` reads it from a file."""

    environment: Literal["production", "development"] = setting(
        "production", "`development` has looser limits; both need secrets"
    )
    host: str = setting("127.0.0.1", "address to listen on; `*`: all IPv4 and IPv6 addresses")
    port: int = setting(8000, "port to listen on")
    worker: Literal["meinheld", "gthread"] = setting("meinheld", "gunicorn worker class")
    workers: int = setting(0, "worker processes; 0: one for each core, at most one for each 128 MiB of memory")
    threads: int = setting(16, "threads of a gthread worker")
    backlog: int = setting(4096, "connections that the kernel queues before they are accepted")
    timeout: int = setting(30, "seconds after which a hung worker is replaced")
    graceful_timeout: int = setting(25, "seconds that requests in flight get on SIGTERM and reload")
    keepalive: int = setting(75, "seconds that an idle connection is kept")
    header_timeout: int = setting(5, "seconds within which a request's headers must arrive")
    body_timeout: int = setting(30, "seconds within which a request's body must arrive")
    body_memory: int = setting(16_777_216, "most bytes of all bodies that a worker holds; beyond that 503")
    max_requests: int = setting(0, "requests after which a worker is replaced; 0: never")
    max_requests_jitter: int = setting(0, "random addition to `MAX_REQUESTS`")
    trusted_proxies: tuple[Network, ...] = setting(
        (), "networks whose `X-Forwarded-For` and `X-Forwarded-Proto` are trusted, comma-separated"
    )
    path_prefix: PathPrefix = setting(
        "", "what the clients' paths begin with, such as `/jobs`; the service answers with and without it"
    )
    cors_origins: tuple[Origin, ...] = setting(
        (),
        "origins whose pages may call the API, such as `https://app.example`, comma-separated; `*`: any; none: no CORS",
    )
    public_url: PublicUrl = setting(
        "", "where clients reach the service, such as `https://jobs.example`; `PATH_PREFIX` follows"
    )
    job_pages_url: PagesUrl = setting("", "a posting's page, such as `https://jobs.example/jobs/{id}`; empty: its JSON")
    database_url: str = setting("", "PostgreSQL through the local PgBouncer, a libpq connection string")
    database_replica_urls: tuple[str, ...] = setting((), "the same for each replica, one server each, comma-separated")
    pgbouncer_console_url: str = setting("", "console of that PgBouncer; empty: connect to PostgreSQL directly")
    prepared_statements: bool = setting(True, "use the statements that PgBouncer's `connect_query` prepares")
    memcached_servers: tuple[str, ...] = setting(
        (), "`host:port` or `unix:/path`, in a fixed order; none: no shared cache"
    )
    memcached_timeout_ms: int = setting(250, "limit of one memcached exchange")
    pepper: str = setting("", "secret of at least 32 bytes that keys passwords and refresh tokens; never change it")
    keys_dir: Path | None = setting(None, "folder of token keys: `<kid>.pem` (Ed25519) or `<kid>.key` (HS256)")
    signing_kid: str = setting("", "key that signs new tokens; empty: the greatest name in the folder")
    jwt_algorithm: Literal["EdDSA", "HS256"] = setting("EdDSA", "the only algorithm of access tokens")
    jwt_issuer: str = setting("jobfinder", "`iss` of access tokens")
    jwt_audience: str = setting("jobfinder-api", "`aud` of access tokens")
    access_token_seconds: int = setting(900, "seconds that an access token is valid")
    refresh_token_seconds: int = setting(2_592_000, "seconds that a session lives after its last refresh")
    session_seconds: int = setting(7_776_000, "seconds that a session lives at most, however often it is refreshed")
    tasks_port: int = setting(8002, "port of a task worker's `/metrics`, `/health/live` and `/health/ready`; 0: none")
    realtime_port: int = setting(8003, "port of the realtime gateway, with its `/metrics` and `/health`")
    tasks_silent_seconds: int = setting(30, "without a heartbeat, after which others take a worker's tasks")
    mail_url: str = setting("", "`smtps://USER:PASSWORD@HOST`, or `smtp://` with STARTTLS; empty: no mail")
    mail_from: str = setting("", "sender of mails, such as `Jobs <no-reply@jobs.example>`")
    mail_timeout: int = setting(30, "seconds that each answer of the mail server may take")
    account_pages_url: str = setting("", "where links in mails lead, such as `https://jobs.example/account`")
    verification_needed_for: tuple[Activity, ...] = setting(get_args(Activity), "what needs a proven address")
    application_months: int = setting(24, "months that applications are kept after a posting's end; 0: for ever")
    graphql_introspection: bool = setting(
        False, "let clients of GraphQL ask for the schema; in development they always may"
    )
    tuning_file: Path | None = setting(None, "JSON file of the live settings below")
    rates_file: Path | None = setting(None, "JSON file of exchange rates, instead of `app/jobs/codes/rates.json`")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = setting("INFO", "lowest level that is logged")
    log_requests: float = setting(0.0, "share of requests that are logged, 0 to 1; errors always are")

    @property
    def development(self) -> bool:
        return self.environment == "development"


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """The address of PostgreSQL, for direct connections: those of PgBouncer and of the migrations."""

    database_host: str = setting("", "host of PostgreSQL, exactly one; a standby is refused")
    database_port: int = setting(5432, "its port")
    database_name: str = setting("jobfinder", "the database")
    database_user: str = setting("jobfinder", "the role that the service logs in as")
    database_password: str = setting("", "its password")
    database_tls_mode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] = setting(
        "require", "as libpq's `sslmode`"
    )
    database_tls_ca_file: str = setting("", "certificates that sign PostgreSQL's, for `verify-ca` and `verify-full`")


@dataclass(frozen=True, slots=True)
class MigrationSettings(PostgresServer):
    """The settings of `python -m app migrate`."""

    database_direct_url: str = setting("", "connection string of PostgreSQL, instead of the settings above")
    statement_timeout_ms: int = setting(5000, "limit of one query, set on the role by the migrations")


@dataclass(frozen=True, slots=True)
class PoolerSettings(PostgresServer):
    """The settings of `python -m app pgbouncer-config`; with an operator password the operator may connect over TCP."""

    pgbouncer_socket_folder: str = setting("/run/pgbouncer", "folder of PgBouncer's Unix socket")
    pgbouncer_port: int = setting(6432, "port in the socket's name, and of the console for the operator")
    pgbouncer_pool_size: int = setting(1, "server connections that PgBouncer starts with")
    pgbouncer_max_clients: int = setting(2000, "most client connections")
    pgbouncer_query_wait_seconds: int = setting(8, "how long a query waits for a server connection")
    pgbouncer_idle_seconds: int = setting(60, "after which an idle server connection is closed")
    pgbouncer_operator_password: str = setting("", "password of `jobfinder_operator`, who may change pool sizes live")
    pgbouncer_tls_folder: str = setting("", "folder of `tls.crt` and `tls.key`, the certificate for the operator")
    pgbouncer_for_replica: bool = setting(False, "the server is a replica: prepare no statement, refuse no standby")
    pgbouncer_exporter_folder: str = setting("", "folder for `pgpass` of `jobfinder_exporter`, who may read statistics")


def within(least: int, most: int, doc: str) -> Meta:
    """The range and description of a live setting, for its row in the table and for the operator's resource."""
    return Meta(ge=least, le=most, description=doc)


class CacheTuning(Struct, frozen=True, forbid_unknown_fields=True):
    """One cache in the memory of each worker."""

    capacity: Annotated[int, within(1, 100_000_000, "entries of each worker")]
    ttl_seconds: Annotated[int, within(1, 31_536_000, "how long an entry is kept")]


class SearchCache(CacheTuning, frozen=True, forbid_unknown_fields=True):
    """Results of searches in the memory of each worker."""

    staleness_ms: Annotated[
        int, within(0, 60_000, "age up to which a result is used although postings have changed; none that is closed")
    ] = 0


class Caches(Struct, frozen=True, forbid_unknown_fields=True):
    """What a worker keeps in its own memory, and for how long it may believe it."""

    user: CacheTuning = CacheTuning(10_000, 3600)
    blacklist: CacheTuning = CacheTuning(50_000, 86_400)
    company: CacheTuning = CacheTuning(2_000, 3600)
    job: CacheTuning = CacheTuning(1_000, 3600)
    search: SearchCache = SearchCache(500, 3600)
    lease_ms: Annotated[int, within(0, 50, "how long a worker may go by its last look at changes; 0: not at all")] = 50
    answers_bytes: Annotated[int, within(0, 1 << 30, "memory of each worker for kept answers; 0: none")] = 33_554_432


class DatabaseTuning(Struct, frozen=True, forbid_unknown_fields=True):
    """The worker's own pool of client connections to PgBouncer."""

    pool_min: Annotated[int, within(1, 1000, "connections that are kept open")] = 8
    pool_max: Annotated[int, within(1, 1000, "the most connections")] = 32
    acquire_timeout_ms: Annotated[int, within(10, 60_000, "how long a request waits for a connection")] = 8000
    idle_timeout_seconds: Annotated[int, within(1, 31_536_000, "after which an idle connection is closed")] = 300


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """Requests a minute; 0 sets no limit, in development alone. An IPv6 address counts by its network."""

    login_failures_per_account: Annotated[int, within(0, 1_000_000_000, "wrong passwords of one account")] = 10
    logins_per_address: Annotated[int, within(0, 1_000_000_000, "logins of one address")] = 60
    registrations_per_address: Annotated[int, within(0, 1_000_000_000, "registrations of one address")] = 20
    requests_per_user: Annotated[int, within(0, 1_000_000_000, "requests with token of one user")] = 600
    open_requests_per_address: Annotated[int, within(0, 1_000_000_000, "requests without token of one address")] = 600
    ipv6_prefix: Annotated[int, within(32, 128, "bits of an IPv6 address by which it counts")] = 64
    mail_requests_per_email: Annotated[int, within(0, 1_000_000_000, "requests for a mail to one e-mail address")] = 3
    mail_requests_per_address: Annotated[int, within(0, 1_000_000_000, "requests for a mail of one address")] = 20
    mails: Annotated[int, within(0, 1_000_000_000, "mails that the service sends; others wait")] = 600


class Accounts(Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept of accounts."""

    sessions_per_user: Annotated[int, within(1, 10_000, "live sessions; the longest unused ends for a new one")] = 100
    streams_per_user: Annotated[int, within(1, 10_000, "realtime connections of a user to each gateway")] = 20
    audit_days: Annotated[int, within(1, 36_500, "age at which a row of the audit log is removed")] = 180


class Passwords(Struct, frozen=True, forbid_unknown_fields=True):
    """Hashing of passwords with bcrypt."""

    bcrypt_cost: Annotated[int, within(4, 16, "at least 10, except in development")] = 10
    threads: Annotated[int, within(0, 64, "0 is the worker's share of the cores")] = 0
    queue: Annotated[int, within(1, 10_000, "more that wait are answered with 503")] = 64


class Compression(Struct, frozen=True, forbid_unknown_fields=True):
    """Bodies of answers, for clients that accept it."""

    enabled: Annotated[bool, Meta(description="whether bodies are compressed")] = True
    minimum_bytes: Annotated[int, within(1, 1_073_741_824, "smaller bodies stay as they are")] = 1024
    brotli_quality: Annotated[int, within(0, 11, "of brotli; more is smaller and slower")] = 4
    gzip_level: Annotated[int, within(1, 9, "of gzip; more is smaller and slower")] = 5


class Tasks(Struct, frozen=True, forbid_unknown_fields=True):
    """Background work."""

    concurrency: Annotated[int, within(1, CONCURRENCY_MOST, "tasks that a task worker does at once")] = 4


class Tuning(Struct, frozen=True, forbid_unknown_fields=True):
    """What can change while the service runs.

    A field's range and description also make its rows in README.md, the chart's schema and the operator's resource:
    `make docs k8s` writes them. `database` is the one section that the resource has in a form of its own.
    """

    generation: Annotated[int, within(0, 9_007_199_254_740_991, "names the file's version in `/metrics`")] = 0
    cache: Caches = Caches()
    database: DatabaseTuning = DatabaseTuning()
    limits: Limits = Limits()
    accounts: Accounts = Accounts()
    passwords: Passwords = Passwords()
    compression: Compression = Compression()
    tasks: Tasks = Tasks()


DEVELOPMENT_TUNING = Tuning(limits=Limits(30, 600, 600, 0, 0))


def default_tuning(settings: Settings) -> Tuning:
    """The live settings without a tuning file."""
    return DEVELOPMENT_TUNING if settings.development else Tuning()


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from the environment; raises ConfigError that names every invalid variable."""
    return _load(Settings, environ, _unsafe)


def load_migration_settings(environ: Mapping[str, str] | None = None) -> MigrationSettings:
    """The same for the migrations, which need none of the service's secrets."""
    return _load(MigrationSettings, environ, lambda it: [] if it.database_direct_url else _unreachable(it))


def load_pooler_settings(environ: Mapping[str, str] | None = None) -> PoolerSettings:
    """The same for PgBouncer's files."""
    return _load(PoolerSettings, environ, _unpoolable)


Kind = TypeVar("Kind")


def _load(kind: type[Kind], environ: Mapping[str, str] | None, complaints: Callable[[Kind], list[str]]) -> Kind:
    source = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    problems: list[str] = []
    hints = typing.get_type_hints(kind, include_extras=True)
    for each in fields(kind):  # type: ignore[arg-type]
        name = each.name.upper()
        try:
            text = read_variable(source, name)
            if text is not None:
                values[each.name] = parse_variable(text, hints[each.name])
        except (ValueError, OSError) as error:
            problems.append(f"{name}: {error}")
    loaded = kind(**values)
    problems += complaints(loaded)
    if problems:
        raise ConfigError("\n".join(problems))
    return loaded


def _unsafe(settings: Settings) -> list[str]:
    """Problems because of which the service refuses to start."""
    rules = {
        "PEPPER: at least 32 bytes are needed, as of `openssl rand -hex 32`": len(settings.pepper.encode()) >= 32,
        "KEYS_DIR: a folder with at least one signing key is needed": settings.keys_dir is not None,
        "DATABASE_URL: the connection string of PostgreSQL behind PgBouncer is needed": settings.database_url,
        "TASKS_SILENT_SECONDS: at least 1 is needed": settings.tasks_silent_seconds >= 1,
        "SESSION_SECONDS: less than ACCESS_TOKEN_SECONDS": settings.session_seconds >= settings.access_token_seconds,
        "APPLICATION_MONTHS: 0 to 1200 is needed": 0 <= settings.application_months <= 1200,
        "LOG_REQUESTS: a share between 0 and 1 is needed": 0 <= settings.log_requests <= 1,
    }
    return [problem for problem, kept in rules.items() if not kept]


def _unreachable(server: PostgresServer) -> list[str]:
    if "," in server.database_host:
        return ["DATABASE_HOST: one host is needed, that of the primary"]
    return [] if server.database_host else ["DATABASE_HOST: the host of PostgreSQL is needed"]


def _unpoolable(settings: PoolerSettings) -> list[str]:
    """Problems of the settings: PgBouncer takes a pool size of 0 as unlimited, and a value ends at a line end or NUL."""
    problems = _unreachable(settings)
    if settings.pgbouncer_pool_size < 1:
        problems.append("PGBOUNCER_POOL_SIZE: at least 1 is needed")
    if settings.pgbouncer_operator_password and not settings.pgbouncer_tls_folder:
        problems.append("PGBOUNCER_TLS_FOLDER: a certificate is needed, as the operator may connect over TLS only")
    texts = [each for each in fields(settings) if isinstance(getattr(settings, each.name), str)]
    problems += [
        f"{each.name.upper()}: it spans lines" for each in texts if _LINE_END & {*getattr(settings, each.name)}
    ]
    return problems
