"""Searches over many workers while postings change a hundred times a second, with faults injected."""

import logging
import os
import pickle
from pathlib import Path

import pytest

from app.local.memcached import Memcached
from tests.integration.freshness.harness.load import Size, drive, populate
from tests.integration.freshness.harness.queries import Query
from tests.integration.freshness.harness.readers import Reader
from tests.integration.freshness.harness.record import Record
from tests.integration.freshness.harness.rules import violations
from tests.pods.chaos import Chaos
from tests.pods.connections import Connections
from tests.pods.database import wait_until_published
from tests.pods.pod import Pod, Shared

WALKS = int(os.environ.get("FRESHNESS_WALKS", "1000"))
SIZE = Size()
log = logging.getLogger(__name__)


@pytest.mark.timeout(300 + WALKS / 5)
def test_no_search_is_stale_and_no_walk_repeats_or_skips(
    whole: list[Pod], shared: Shared, cache_servers: list[Memcached]
) -> None:
    def connect() -> Connections:
        return Connections({each.name: each.port for each in whole}, workers=2)

    record, owners = populate(connect, SIZE)
    chaos = Chaos(whole, cache_servers, seed=WALKS)
    drive(record, owners, connect, WALKS, SIZE, meanwhile=chaos.run)
    keep(record)
    wait_until_published(shared)
    audit(record, connect())
    log.info(record.summary())
    found = violations(record)
    assert not found, f"{len(found)} violations; the first ones:\n" + "\n".join(map(str, found[:5]))
    assert len(record.walks) >= WALKS


def keep(record: Record) -> None:
    """Write the record to the file FRESHNESS_RECORD, if set, to analyse a failure."""
    if path := os.environ.get("FRESHNESS_RECORD"):
        Path(path).write_bytes(pickle.dumps(record))


def audit(record: Record, connections: Connections) -> None:
    """Search once more on every worker, for the record to be judged."""
    reader = Reader(record, connections, seed=0)
    for connection in connections.all():
        assert reader.walk(Query(), 100, connection)
    connections.close()
