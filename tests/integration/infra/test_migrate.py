"""Migrations of empty and current databases, by several processes at once, and the timeouts that they set."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.alerts.digests.store import candidates
from app.config import DatabaseTuning
from app.errors import ConfigError, Unavailable
from app.infra.postgres.database import Database, Statement
from app.infra.postgres.migrate import migrate
from app.infra.postgres.schema import current_version, newest_version
from app.infra.postgres.statements import Preparation
from app.infra.secrets.identity import check_identity, fingerprint
from app.local.postgres import Postgres
from tests.integration.infra.revisions import upgrade_to

NOTHING = Preparation([Statement("one", (), "SELECT 1", readonly=True)])
KEYS = {"a": "thumbprint of a"}
TUNING = DatabaseTuning(pool_min=1, pool_max=2)
ROOT = Path(__file__).parents[3]

MIGRATE = """
import sys
from app.infra.postgres.migrate import migrate
from app.infra.postgres.statements import Preparation
sys.stdin.readline()
migrate(sys.argv[1], Preparation([]))
"""

# Matched before the search was saved, at once with it, served, and waiting.
SEARCH_OF_0030 = (
    "INSERT INTO users (email, password_hash, name) VALUES ('a@example.com', '', 'a')",
    "INSERT INTO alert_query (query) VALUES ('q=nurse')",
    """INSERT INTO saved_search
              (user_id, name, query, query_id, since_era, since_xid, served_era, served_xid, served_id)
       VALUES (1, '', 'q=nurse', 1, 1, '100', 1, '101', 7)""",
    """INSERT INTO query_match (query_id, cluster_id, posting_id, era, xid, event_id, at)
       SELECT 1, n, n, 1, (98 + n)::text::xid8, 4 + n, now() FROM generate_series(1, 4) AS n""",
    "INSERT INTO alert_sent (saved_search_id, cluster_id, digest_id) VALUES (1, 3, 1)",
)


@pytest.fixture
def url(postgres: Postgres) -> Iterator[str]:
    yield postgres.create_database("migrations")
    postgres.drop_database("migrations")


@pytest.fixture
def db(url: str) -> Iterator[Database]:
    made = Database(url, TUNING)
    yield made
    made.close()


def test_an_empty_database_gets_the_whole_schema(url: str, db: Database) -> None:
    assert current_version(db) is None
    migrate(url, NOTHING)
    assert current_version(db) == newest_version()
    tables = db.all("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
    assert {"users", "sessions", "outbox", "audit_log", "service_identity"} <= {name for (name,) in tables}


def test_migrating_again_changes_nothing(url: str, db: Database) -> None:
    migrate(url, NOTHING)
    db.run("INSERT INTO users (email, password_hash, name) VALUES ('a@example.com', '', 'a')")
    migrate(url, NOTHING)
    assert db.one("SELECT count(*) FROM users WHERE email = 'A@EXAMPLE.COM'") == (1,)


def test_a_schema_of_a_later_version_stays_as_it_is(url: str, db: Database) -> None:
    migrate(url, Preparation([]))
    db.run("UPDATE alembic_version SET version_num = '9999'")
    migrate(url, NOTHING)
    assert current_version(db) == "9999"
    assert db.one("SELECT count(*) FROM pg_proc WHERE proname = %s", NOTHING.name) == (1,)


def test_concurrent_migrations_all_succeed(url: str, db: Database) -> None:
    command = [sys.executable, "-c", MIGRATE, url]
    processes = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    messages = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, messages
    assert current_version(db) == newest_version()


def test_new_sessions_have_the_database_timeouts(url: str, db: Database) -> None:
    migrate(url, NOTHING, statement_timeout_ms=1234)
    limits = Database(url, TUNING)
    assert limits.one("SHOW statement_timeout") == ("1234ms",)
    assert limits.one("SHOW client_connection_check_interval") == ("2s",)
    assert limits.one("SHOW max_parallel_workers_per_gather") == ("0",)
    assert limits.one("SHOW enable_seqscan") == ("off",)
    assert limits.one("SHOW jit") == ("off",)
    assert limits.one("SELECT current_setting('lock_timeout')::interval < '1234ms'") == (True,)
    with pytest.raises(Unavailable):
        limits.one("SELECT pg_sleep(30)")
    assert limits.stats().idle == 1
    limits.close()


def test_new_sessions_end_when_their_node_is_lost(url: str, db: Database) -> None:
    migrate(url, NOTHING)
    (given,) = db.one(
        "SELECT setconfig FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase"
        " WHERE d.datname = current_database()"
    ) or ((),)
    settings = dict(each.split("=", 1) for each in given)
    idle, interval = (int(settings[f"tcp_keepalives_{name}"].removesuffix("s")) for name in ("idle", "interval"))
    assert idle + int(settings["tcp_keepalives_count"]) * interval == 25
    assert settings["tcp_user_timeout"] == "25s"


def test_migrate_creates_the_function_that_prepares_statements(url: str, db: Database) -> None:
    migrate(url, NOTHING)
    with db.transaction() as transaction:
        transaction.run(NOTHING.connect_query)
        assert transaction.one("SELECT count(*) FROM pg_prepared_statements WHERE name LIKE %s", "one_%") == (1,)


def test_searches_of_the_previous_version_keep_what_waits_and_what_was_served(url: str, db: Database) -> None:
    """Revision 0030 noted neither the posting that was served last nor a snapshot."""
    upgrade_to(url, "0030")
    for statement in SEARCH_OF_0030:
        db.run(statement)
    migrate(url, NOTHING)
    with db.transaction() as transaction:
        assert [found.cluster_id for found in candidates(transaction, [1], 9)] == [4]
    later = "INSERT INTO saved_search (user_id, name, query) VALUES (1, '', '') RETURNING since_snapshot IS NOT NULL"
    assert db.one(later) == (True,)


def test_a_database_that_cannot_be_reached_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        migrate(f"postgresql:///none?host={tmp_path}", NOTHING)


class TestIdentity:
    """A database works with one pepper only."""

    @pytest.fixture
    def migrated(self, url: str, db: Database) -> Database:
        migrate(url, NOTHING)
        return db

    def test_same_pepper_is_accepted_with_new_keys(self, migrated: Database) -> None:
        check_identity(migrated, fingerprint(b"p" * 32), KEYS)
        check_identity(migrated, fingerprint(b"p" * 32), {"b": "thumbprint of b"})
        known = migrated.one("SELECT key_fingerprints FROM service_identity")
        assert known == ({**KEYS, "b": "thumbprint of b"},)

    def test_another_pepper_is_refused(self, migrated: Database) -> None:
        check_identity(migrated, fingerprint(b"p" * 32))
        with pytest.raises(ConfigError, match="PEPPER"):
            check_identity(migrated, fingerprint(b"q" * 32))
        check_identity(migrated, fingerprint(b"p" * 32))

    def test_key_replaced_under_the_same_name_is_logged(
        self, migrated: Database, caplog: pytest.LogCaptureFixture
    ) -> None:
        check_identity(migrated, fingerprint(b"p" * 32), KEYS)
        assert not caplog.records
        check_identity(migrated, fingerprint(b"p" * 32), {"a": "thumbprint of another"})
        assert "the key a has been replaced" in caplog.text

    def test_the_pepper_is_not_stored(self) -> None:
        assert b"pppp" not in fingerprint(b"p" * 32)
