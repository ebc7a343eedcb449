"""Final logout over many workers and thousands of concurrent operations, with faults injected."""

import logging
import os
import pickle
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from app.local.memcached import Memcached
from tests.integration.finality.harness.chaos import Odd, OddChaos
from tests.integration.finality.harness.history import Kind
from tests.integration.finality.harness.load import drive, populate
from tests.integration.finality.harness.people import World
from tests.integration.finality.harness.rules import violations
from tests.integration.finality.harness.truth import live_sessions
from tests.pods.chaos import Chaos
from tests.pods.connections import Connections, Request
from tests.pods.database import execute, wait_until_published
from tests.pods.pod import Pod, Shared, Stranger

OPERATIONS = int(os.environ.get("FINALITY_OPERATIONS", "10000"))
AUDITED = 1000
log = logging.getLogger(__name__)


@pytest.mark.timeout(300 + OPERATIONS / 20)
def test_no_ended_session_or_stale_profile_under_faults(
    whole: list[Pod], shared: Shared, cache_servers: list[Memcached]
) -> None:
    with (
        Pod("c", shared, cache_servers[:1], kind="gthread", workers=2) as resized,
        Stranger("s", shared, [], kind=whole[0].kind, workers=2) as stranger,
    ):
        stranger.stop()
        pods = [*whole, resized]
        ports = {each.name: each.port for each in (*pods, stranger)}
        world = populate(pods[0].name, pods[0].port, sql=partial(execute, shared))
        chaos = OddChaos(pods, cache_servers, shared.postgres, Odd(resized, stranger), seed=OPERATIONS)
        drive(world, ports, OPERATIONS, meanwhile=chaos.run)
        keep(world, chaos)
        wait_until_published(shared)
        audit(world, shared, {each.name: each.port for each in pods})
        crashes = [line for each in (*pods, stranger) for line in each.crashes()]
    log.info(summary(world))
    assert crashes == []
    found = violations(world.journal.operations, chaos.faults)
    assert not found, f"{len(found)} violations; the first ones:\n" + "\n".join(map(str, found[:5]))
    assert len(world.journal) >= OPERATIONS
    assert any(each.by_server for each in world.journal.operations)


def keep(world: World, chaos: Chaos) -> None:
    """Write the history to the file FINALITY_JOURNAL, if set, to analyse a failure."""
    if path := os.environ.get("FINALITY_JOURNAL"):
        Path(path).write_bytes(pickle.dumps((world.journal.operations, chaos.faults)))


def audit(world: World, shared: Shared, ports: dict[str, int]) -> None:
    """Check that, after the load, every worker accepts exactly the sessions that are live in PostgreSQL."""
    live, connections = live_sessions(shared), Connections(ports, workers=2)
    for number, session in enumerate(world.every[-AUDITED:]):
        everywhere = connections.all()
        asked = everywhere if session.id in live else [everywhere[number % len(everywhere)]]
        for connection in asked:
            answer = connection.send(Request("GET", "/api/v1/users/me", token=session.token))
            assert answer.status == (200 if session.id in live else 401), (session.id, answer)
    connections.close()


def summary(world: World) -> str:
    """The number of operations by kind and status, for the log."""
    answers = Counter((each.kind.value, each.status) for each in world.journal.operations)
    workers = {each.worker for each in world.journal.operations if each.worker}
    kept = sum(each.by_server for each in world.journal.operations)
    lines = [f"{len(world.journal)} operations by {len(workers)} worker processes, {kept} answers kept by the server"]
    for kind in Kind:
        statuses = [f"{status}: {count}" for (name, status), count in sorted(answers.items()) if name == kind.value]
        lines.append(f"  {kind.value:26} {', '.join(statuses)}")
    return "\n".join(lines)
