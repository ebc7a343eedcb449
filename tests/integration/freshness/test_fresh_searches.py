"""Searches over many workers while postings change a hundred times a second, with faults injected."""

import logging
import os
from dataclasses import replace
from pathlib import Path

import pytest

from app.local.memcached import Memcached
from app.local.postgres import Postgres
from tests.integration.freshness.harness.load import Size, drive, populate
from tests.integration.freshness.harness.queries import Query
from tests.integration.freshness.harness.readers import Reader
from tests.integration.freshness.harness.record import Record
from tests.integration.freshness.harness.rules import MISSED, UNFIT, violations
from tests.pods.chaos import Chaos
from tests.pods.connections import Connections
from tests.pods.database import wait_until_published
from tests.pods.fixtures import own_database
from tests.pods.pod import KINDS, Pod, Shared
from tests.sql import ask

WALKS = int(os.environ.get("FRESHNESS_WALKS", "1000"))
SIZE, SMALL = Size(), Size(writers=12, readers=4, rate=80, open=40, firms=4)
GRANT = "UPDATE users SET admin = true WHERE email = %s"
STALENESS_MS, ROUND, ROUNDS = 3000, 80, 10
log = logging.getLogger(__name__)


@pytest.mark.timeout(300 + WALKS / 5)
def test_no_search_is_stale_and_no_walk_repeats_or_skips(
    whole: list[Pod], shared: Shared, cache_servers: list[Memcached]
) -> None:
    def connect() -> Connections:
        return Connections({each.name: each.port for each in whole}, workers=2)

    record, owners = populate(
        connect, SIZE, grant=lambda email: ask(shared.postgres.url(shared.database), GRANT, (email,))
    )
    chaos = Chaos(whole, cache_servers, seed=WALKS)
    drive(record, owners, connect, WALKS, SIZE, meanwhile=chaos.run)
    wait_until_published(shared)
    audit(record, connect())
    log.info(record.summary())
    found = violations(record)
    assert not found, f"{len(found)} violations; the first ones:\n" + "\n".join(map(str, found[:5]))
    assert len(record.walks) >= WALKS


def test_old_results_show_nothing_closed(postgres: Postgres, migrated: str, open_folder: Path) -> None:
    """With `cache.search.staleness_ms` results may be so much older than the rules allow, but not what they show."""
    tuning = {"cache": {"search": {"staleness_ms": STALENESS_MS}}}
    with (
        own_database(postgres, migrated, open_folder) as own,
        Memcached() as memcached,
        Pod("old", replace(own, tuning=tuning), [memcached], kind=KINDS[0], workers=2) as pod,
    ):

        def connect() -> Connections:
            return Connections({pod.name: pod.port}, workers=2)

        record, owners = populate(connect, SMALL)
        for _ in range(ROUNDS):
            drive(record, owners, connect, len(record.walks) + ROUND, SMALL)
            if violations(record):
                break
    assert {each.rule.partition(":")[0] for each in violations(record)} & {UNFIT, MISSED}, "no old result was used"
    found = violations(record, STALENESS_MS)
    assert not found, f"{len(found)} violations; the first ones:\n" + "\n".join(map(str, found[:5]))


def audit(record: Record, connections: Connections) -> None:
    """Search once more on every worker, for the record to be judged."""
    reader = Reader(record, connections, seed=0)
    for connection in connections.all():
        assert reader.walk(Query(), 100, connection)
    connections.close()
