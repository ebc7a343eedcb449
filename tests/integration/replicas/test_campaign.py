"""Nobody reads what is older than a write that was answered, whatever happens to replicas, memcached and the primary.

REPLICA_PAIRS is the number of pairs of a write and a read.
"""

import logging
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.coherence.facts.replicas import Replayed
from app.local.memcached import Memcached
from tests.integration.coherence.workers import eventually
from tests.integration.replicas.pairs import Pairs
from tests.integration.replicas.servers import Follower, Site, Worker, new_user, site

PAIRS = int(os.environ.get("REPLICA_PAIRS", "5000"))
FAULTS = max(PAIRS // 200, 24)
DELAYS = ("0", "100ms", "1s", "10s")
pytestmark = pytest.mark.timeout(300 + PAIRS / 20)
log = logging.getLogger(__name__)


@pytest.fixture(scope="module")
def servers(open_folder: Path) -> Iterator[Site]:
    """Servers of its own: a promotion cannot be undone."""
    with site(open_folder) as made:
        yield made


def test_no_read_is_older_than_an_answered_write(servers: Site, workers: list[Worker], cache: Memcached) -> None:
    rng = random.Random(20)
    for worker in workers:
        eventually(lambda worker=worker: worker.sees(2))  # type: ignore[misc]
    new_user(servers.url)
    with Pairs(servers.url, workers, PAIRS) as pairs:
        for number in range(1, FAULTS + 1):
            eventually(lambda number=number: pairs.complete() or pairs.share() >= number / (FAULTS + 1), 3000)  # type: ignore[misc]
            if number == FAULTS * 2 // 3:
                servers.fail_over()
                servers.follow_promoted()
            else:
                _disturb(rng, number, [servers.second, servers.first][: 2 if number < FAULTS * 2 // 3 else 1], cache)
        eventually(pairs.complete, 3000)
    reads, refused, failures = (
        sum(each.counted(f"replica_{name}") for each in workers) for name in ("reads", "refused", "failures")
    )
    log.info("%s; replicas: %d answered, %d too old, %d failed", pairs.tally, reads, refused, failures)
    assert pairs.errors == []
    assert pairs.tally.stale == []
    assert min(reads, refused) > PAIRS / 100


def test_stale_reads_are_found_where_the_rule_is_left_out(
    workers: list[Worker], servers: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Replayed, "proves", lambda self, keys: True)
    servers.second.set("recovery_min_apply_delay", "0")
    servers.second.resume_replay()
    servers.second.catch_up()
    for worker in workers:
        eventually(lambda worker=worker: worker.sees(1))  # type: ignore[misc]
    servers.second.catch_up()
    servers.second.pause_replay()
    with Pairs(servers.url, workers, PAIRS) as pairs:
        eventually(pairs.complete)
    servers.second.resume_replay()
    assert pairs.tally.stale


def _disturb(rng: random.Random, number: int, replicas: list[Follower], cache: Memcached) -> None:
    """Each kind of fault comes in turn."""
    replica = rng.choice(replicas)
    match number % 6:
        case 0:
            cache.kill()
            cache.start()
        case 1:
            replica.set("recovery_min_apply_delay", rng.choice(DELAYS))
        case 2:
            replica.pause_replay()
        case 3:
            replica.resume_replay()
        case 4:
            replica.restart()
        case 5:
            replica.kill()
            replica.start()
