"""`python -m app seed` beside a running service: what it adds is found at once, and refusals say why."""

import json
import os
import signal
import urllib.parse
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from app.__main__ import main
from app.config import DatabaseTuning
from app.infra.postgres.database import Database
from app.jobs import store, writing
from app.jobs.bulk.words.store import WordIndex
from app.jobs.codes.salaries import shipped_rates
from app.jobs.indexing import fingerprint
from app.jobs.store import PostingStore
from app.local.development import publish_environment
from app.local.memcached import Memcached
from app.local.pgbouncer import PgBouncer
from app.local.seed.jobs import KEYS
from app.local.seed.postings import Catalogue, Period
from app.local.seed.rows import Ids, Writer
from app.local.seed.store import SeedStore
from app.local.seed.users import PASSWORD, add_recruiters
from tests.conftest import LocalDatabase
from tests.service import Service

NOW = datetime.now(UTC)
SHOWN = """
SELECT to_jsonb(p) - '{id,cluster_id,first_seen_at,content_changed_at}'::text[], to_jsonb(t) - 'posting_id',
       c.fingerprint::text
  FROM posting p JOIN posting_text t ON t.posting_id = p.id JOIN posting_cluster c ON c.id = p.cluster_id
 WHERE p.shown ORDER BY p.published_at
"""
HIDDEN = "SELECT salary_rates_of::text, count(*) FROM posting WHERE state = 'open' AND NOT shown GROUP BY 1"
INDEX_OPTIONS = "SELECT reloptions FROM pg_class WHERE relname = 'posting_words'"
JOBS = 40


@pytest.fixture(scope="module")
def direct(database: LocalDatabase) -> Iterator[Database]:
    found = Database(database.direct_url, DatabaseTuning(), prepared=False)
    yield found
    found.close()


def emptied(database: Database, catalogue: Catalogue) -> list[int]:
    """Leave nothing but the companies of the catalogue; returns their ids."""
    database.run("TRUNCATE companies, outbox RESTART IDENTITY CASCADE")
    add_recruiters(database, ["recruiter@example.com"], b"$2b$10$" + b"x" * 53)
    return SeedStore(database).add_companies(catalogue.companies, ["recruiter@example.com"] * len(catalogue.companies))


def test_seeded_rows_are_those_of_the_services_own_writes(direct: Database) -> None:
    catalogue = Catalogue(1, JOBS, Period(NOW - timedelta(days=1), NOW, NOW))
    companies, seeds = emptied(direct, catalogue), SeedStore(direct)
    ids = Ids(seeds.reserve("posting", JOBS), seeds.reserve("posting_cluster", JOBS))
    with WordIndex(direct).collecting():
        seeds.add(Writer(catalogue, companies, direct).rows(1, JOBS, ids), KEYS)
    seeded = direct.all(SHOWN)
    hidden = direct.one(HIDDEN)

    assert emptied(direct, catalogue) == companies
    for company, postings in catalogue.clusters(1, JOBS):
        for posting in postings:
            with PostingStore(direct).transaction() as transaction:
                number = store.insert(transaction, companies[company.number], posting)
                assert number is not None
                own = fingerprint(posting.title, posting.description, posting.detail)
                cluster = store.cluster_like(transaction, companies[company.number], own)
                locked = store.lock(transaction, number)
                assert locked is not None
                opened = replace(locked.posting, state="open", published_at=posting.published_at)
                writing.write(transaction, locked.posting, opened, cluster, shipped_rates())
    assert direct.all(SHOWN) == seeded
    assert direct.one(HIDDEN) == hidden


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, database: LocalDatabase, pgbouncer: PgBouncer, direct: Database
) -> Iterator[Service]:
    direct.run("TRUNCATE companies, outbox RESTART IDENTITY CASCADE")
    with Memcached() as memcached:
        variables = {
            "WORKERS": "1",
            "DATABASE_URL": database.url,
            "PGBOUNCER_CONSOLE_URL": pgbouncer.console_url,
            "MEMCACHED_SERVERS": memcached.address,
        }
        with Service(tmp_path_factory.mktemp("service"), variables) as running:
            yield running


def asked(service: Service, path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{service.url}/api/v1/{path}", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def test_seeded_postings_are_found_at_once(
    service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    assert asked(service, "jobs")["items"] == []
    with publish_environment(tmp_path, service.variables):
        assert main(["seed", "--jobs", str(JOBS), "--users", "1", "--state", str(tmp_path)]) == 0
        page = asked(service, "jobs?limit=100&total=true")
        assert len(page["items"]) == page["total"]["value"] > JOBS / 2
        assert sum(1 + len(item["also_at"]) for item in page["items"]) == JOBS
        word = page["items"][0]["title"].split()[0]
        assert asked(service, f"jobs?q={urllib.parse.quote(word)}")["items"]
        [regions] = asked(service, "jobs?limit=1&facets=region")["facets"]
        [first, *_] = regions["values"]
        there = asked(service, f"jobs?limit=100&region={urllib.parse.quote(first['value'])}")["items"]
        assert len(there) == first["count"] > 0
        for email in ("user1@example.com", "recruiter1-1@example.com"):
            assert asked(service, "auth/login", {"email": email, "password": PASSWORD})["access_token"]

        assert main(["seed", "--jobs", str(JOBS), "--state", str(tmp_path)]) == 2
        assert "--seed 1: " in capsys.readouterr().err
        assert main(["seed", "--jobs", "5", "--seed", "2", "--state", str(tmp_path)]) == 0
        assert asked(service, "jobs?limit=1&total=true")["total"]["value"] > page["total"]["value"]


def test_seed_says_why_it_adds_nothing(
    service: Service, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    before = asked(service, "jobs?limit=1&total=true")["total"]["value"]
    assert main(["seed", "--jobs", "5", "--seed", "3", "--state", str(tmp_path)]) == 2
    assert "make run" in capsys.readouterr().err
    with publish_environment(tmp_path, service.variables):
        assert main(["seed", "--state", str(tmp_path)]) == 2
        assert "--jobs N" in capsys.readouterr().err
    production = service.variables | {"ENVIRONMENT": "production"}
    with publish_environment(tmp_path, production):
        assert main(["seed", "--jobs", "5", "--seed", "3", "--state", str(tmp_path)]) == 2
        assert "--in-production" in capsys.readouterr().err
        assert asked(service, "jobs?limit=1&total=true")["total"]["value"] == before
        assert main(["seed", "--jobs", "5", "--seed", "3", "--state", str(tmp_path), "--in-production"]) == 0
    assert asked(service, "jobs?limit=1&total=true")["total"]["value"] > before


def test_seed_that_is_ended_leaves_the_index_as_it_was(
    service: Service, direct: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, during = direct.one(INDEX_OPTIONS), []

    def end(*_: object) -> str:
        during.append(direct.one(INDEX_OPTIONS))
        os.kill(os.getpid(), signal.SIGTERM)
        return ""

    monkeypatch.setattr(SeedStore, "add", end)
    handler = signal.getsignal(signal.SIGTERM)
    with publish_environment(tmp_path, service.variables), pytest.raises(SystemExit) as ended:
        main(["seed", "--jobs", "5", "--seed", "4", "--state", str(tmp_path)])
    assert ended.value.code == 128 + signal.SIGTERM
    assert (during, before) == ([(["fastupdate=on"],)], (["fastupdate=off"],))
    assert direct.one(INDEX_OPTIONS) == before
    assert signal.getsignal(signal.SIGTERM) is handler


def test_index_collects_again_after_others_have_stopped_it(direct: Database) -> None:
    words = WordIndex(direct)
    with words.collecting() as merge:
        words.stop_collecting()
        assert not words.collects()
        merge()
        assert words.collects()
    assert not words.collects()
