"""Migrates the database's schema and sets its session timeouts."""

import logging
import time

import psycopg2
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from psycopg2 import sql
from psycopg2.extensions import make_dsn
from sqlalchemy import Connection, NullPool, create_engine
from sqlalchemy.exc import DBAPIError

from app.config import MigrationSettings
from app.errors import Unavailable
from app.infra.postgres.errors import FAILURES, fail
from app.infra.postgres.schema import MIGRATIONS, newest_version
from app.infra.postgres.statements import Preparation

log = logging.getLogger(__name__)

STATEMENT_TIMEOUT_MS = 5000
RETRY_S = 1.0


def migrate(
    direct_url: str, preparation: Preparation, statement_timeout_ms: int = STATEMENT_TIMEOUT_MS, role: str = ""
) -> None:
    """Apply missing migrations, all or none; idempotent, and concurrent calls wait for each other.

    `role` is the role that the service logs in as, if it differs from that of `direct_url`. Raises Unavailable.
    """
    try:
        _upgrade(direct_url)
        _create(direct_url, preparation)
        _limit_sessions(direct_url, statement_timeout_ms, role)
    except FAILURES as error:
        fail(error)


def direct_url(settings: MigrationSettings) -> str:
    """The connection string of PostgreSQL itself, without PgBouncer."""
    if settings.database_direct_url:
        return settings.database_direct_url
    parts = {
        "host": settings.database_host,
        "port": settings.database_port,
        "dbname": settings.database_name,
        "user": settings.database_user,
        "password": settings.database_password,
        "sslmode": settings.database_tls_mode,
        "sslrootcert": settings.database_tls_ca_file,
    }
    return str(make_dsn(**{name: str(value) for name, value in parts.items() if value}))


def migrate_within(
    seconds: float, direct_url: str, preparation: Preparation, statement_timeout_ms: int = STATEMENT_TIMEOUT_MS
) -> None:
    """Migrate as soon as the database answers; raises the last Unavailable after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return migrate(direct_url, preparation, statement_timeout_ms)
        except Unavailable as error:
            if time.monotonic() + RETRY_S > deadline:
                raise
            log.info("the database is not there yet: %s", error.detail)
        time.sleep(RETRY_S)


def _upgrade(direct_url: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = create_engine(
        "postgresql+psycopg2://", creator=lambda: psycopg2.connect(direct_url, connect_timeout=10), poolclass=NullPool
    )
    try:
        with engine.connect() as connection:
            if _is_newer(connection):
                return
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except DBAPIError as error:
        raise error.orig or error from error
    finally:
        engine.dispose()


def _is_newer(connection: Connection) -> bool:
    """Whether a later version of the service has migrated the database, as during a rollback to this one."""
    found = MigrationContext.configure(connection).get_current_revision()
    connection.rollback()
    if found is None or found <= newest_version():
        return False
    log.warning("the schema is at %s, later than %s, and stays as it is", found, newest_version())
    return True


def _create(direct_url: str, preparation: Preparation) -> None:
    """Create the function that PgBouncer calls. Those of other versions stay for pods that still use them."""
    connection = psycopg2.connect(direct_url, connect_timeout=10)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(7246390113)")
            cursor.execute(preparation.create)
    finally:
        connection.close()


def _limit_sessions(direct_url: str, statement_timeout_ms: int, role: str) -> None:
    """Set timeouts with which PostgreSQL ends what a killed worker leaves behind; they apply to new sessions.

    A node that is lost closes no connection: keep-alives end those that idle, and `tcp_user_timeout` the others, within
    25 s. The operator counts the connections of such a node's pods for longer.

    Parallel plans are switched off: a search relies on the parts of its UNION being run in order. So are scans of whole
    tables where there is an index: the planner does not count what it costs to read a text that is stored elsewhere.
    """
    limits = {
        "statement_timeout": f"{statement_timeout_ms}ms",
        "lock_timeout": f"{max(statement_timeout_ms * 4 // 5, 1)}ms",
        "idle_in_transaction_session_timeout": f"{3 * statement_timeout_ms}ms",
        "client_connection_check_interval": "2s",
        "tcp_keepalives_idle": "10s",
        "tcp_keepalives_interval": "5s",
        "tcp_keepalives_count": "3",
        "tcp_user_timeout": "25s",
        "jit": "off",
        "max_parallel_workers_per_gather": "0",
        "enable_seqscan": "off",
    }
    who = sql.Identifier(role) if role else sql.SQL("CURRENT_USER")
    connection = psycopg2.connect(direct_url, connect_timeout=10)
    try:
        with connection, connection.cursor() as cursor:
            where = sql.Identifier(connection.info.dbname)
            cursor.execute("SELECT pg_advisory_xact_lock(7246390113)")
            for name, value in limits.items():
                statement = sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} = {}")
                cursor.execute(statement.format(who, where, sql.Identifier(name), sql.Literal(value)))
    except psycopg2.errors.InsufficientPrivilege:
        log.warning("the role may not be given its limits; set them by hand: %s", limits)
    finally:
        connection.close()
