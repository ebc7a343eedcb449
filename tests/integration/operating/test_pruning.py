"""What is kept for a stated time is removed by one tick, however much it is."""

import itertools
import random
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from app.config import DatabaseTuning, Settings
from app.infra.background import ticker
from app.infra.metrics.counters import Counters
from app.infra.postgres.database import Database
from app.local.memcached import Memcached
from app.local.process import becomes_true
from app.main import Parts
from tests.conftest import LocalDatabase
from tests.integration.jobs.catalogue import Catalogue, random_posting

PEOPLE = """
INSERT INTO users (email, password_hash, name, created_at, verified_at)
SELECT kind || n || '@pruning.example', '', kind, now() - interval '8 days', CASE kind WHEN 'proven' THEN now() END
  FROM (VALUES ('proven', 450), ('unproven', 250)) AS kinds (kind, number), generate_series(1, number) AS n
"""
ROWS = {
    "sessions": """
INSERT INTO sessions (user_id, epoch, family, refresh_hash, expires_at)
SELECT id, 0, decode(repeat('00', 16), 'hex'), '', now() - make_interval(days => days)
  FROM users, generate_series(-1, 6) AS days WHERE name = 'proven'
""",
    "account_links": """
INSERT INTO account_links (purpose, user_id, email, nonce, token_hash, expires_at)
SELECT 'recover', id, email, decode(repeat('00', 32), 'hex'), '', now() - make_interval(days => days)
  FROM users, generate_series(-1, 6) AS days WHERE name = 'proven'
""",
    "login_networks": """
INSERT INTO login_networks (user_id, network, last_login_at)
SELECT id, n::text, now() - make_interval(days => 31 * least(n, 1), mins => 1)
  FROM users, generate_series(0, 5) AS n WHERE name = 'proven'
""",
    "repeatable_request": """
INSERT INTO repeatable_request (user_id, key, hash, status, answer, created_at)
SELECT id, n::text, '', 200, '', now() - make_interval(days => least(n, 1), mins => 1)
  FROM users, generate_series(0, 5) AS n WHERE name = 'proven'
""",
    "audit_log": """
INSERT INTO audit_log (event, at) SELECT 'login', now() - make_interval(days => CASE WHEN n > 2250 THEN 0 ELSE 181 END)
  FROM generate_series(1, 2700) AS n
""",
    "application": """
INSERT INTO application (posting_id, candidate_id, letter, answers, created_at)
SELECT posting.id, users.id, '', '[]', now() - interval '26 months'
  FROM posting, users WHERE users.name = 'proven' AND (posting.state <> 'open' OR users.email::text LIKE 'proven1%')
""",
}
OLD = {
    "sessions": "expires_at < now() - interval '1 day'",
    "account_links": "expires_at < now() - interval '1 day'",
    "login_networks": "last_login_at < now() - interval '31 days'",
    "repeatable_request": "created_at < now() - interval '24 hours'",
    "audit_log": "event = 'login' AND at < now() - interval '180 days'",
    "application": "posting_id IN (SELECT id FROM posting WHERE state <> 'open')",
    "users": "name = 'unproven'",
}


@pytest.fixture
def held(database: LocalDatabase) -> Iterator[Database]:
    """A database with more than a batch of what is kept no longer, two of most, and with what is still kept."""
    found = Database(database.direct_url, DatabaseTuning(), prepared=False)
    found.run(PEOPLE)
    catalogue, chance = Catalogue(found), random.Random(1)
    for state in ("open", "closed"):
        catalogue.add(msgspec.structs.replace(random_posting(chance), state=state))
    found.run("UPDATE posting SET ended_at = now() - interval '25 months' WHERE state <> 'open'")
    for statement in ROWS.values():
        found.run(statement)
    yield found
    found.close()


def test_one_tick_removes_all_that_is_kept_no_longer(
    held: Database, database: LocalDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def counts(where: str) -> dict[str, int]:
        return {name: held.all(f"SELECT count(*) FROM {name} WHERE {where.format(OLD[name])}")[0][0] for name in OLD}

    kept = counts("NOT ({})")
    assert min(kept.values()) > 0
    assert all(number > 200 for number in counts("{}").values())
    monkeypatch.setattr(ticker, "PAUSE_S", 0.001)
    monkeypatch.setattr(ticker, "PAUSE_SHARE", 0.0)
    an_hour_later = itertools.chain([0.0], itertools.repeat(3600.0)).__next__
    monkeypatch.setattr(ticker, "time", SimpleNamespace(monotonic=an_hour_later))
    (tmp_path / "1.key").write_text("0" * 64)
    (tmp_path / "1.key").chmod(0o600)
    with Memcached() as cache:
        settings = Settings(
            database_url=database.direct_url,
            memcached_servers=(cache.address,),
            pepper="0" * 32,
            keys_dir=tmp_path,
            jwt_algorithm="HS256",
            mail_url="smtp://127.0.0.1:1",
            mail_from="a@jobs.example",
            account_pages_url="https://jobs.example",
        )
        parts = Parts(settings, Counters.create([], slots=1))
        try:
            parts.start_ticking()
            assert becomes_true(lambda: not any(counts("{}").values()), 60.0), counts("{}")
        finally:
            parts.close()
    assert all(number >= kept[name] for name, number in counts("NOT ({})").items())
