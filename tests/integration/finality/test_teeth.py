"""A service that leaves out one step of the protocol is caught, so that finding nothing means something."""

import sys
from functools import partial

import pytest

from app.local.memcached import Memcached
from tests.integration.finality.load import drive, populate
from tests.integration.finality.pods import KINDS, Pod, Shared
from tests.integration.finality.rules import violations
from tests.integration.finality.truth import execute

ROUND, ROUNDS = 1000, 10

ACCEPTED = "an ended session was accepted"
STALE = "a profile older than an acknowledged change was read"
BROKEN = {
    "answers before the leases have ended": ("app.coherence.final.Publisher._wait = lambda self: None", {ACCEPTED}),
    "never publishes": (
        "app.coherence.final.Publisher.final = lambda self, keys, xid, security: None",
        {ACCEPTED, STALE},
    ),
    "never drains": ("app.coherence.final.Publisher.drain = lambda self: 0", {ACCEPTED}),
    "uses facts whatever has changed": (
        "app.coherence.history.State.proves = lambda self, keys, position: True",
        {ACCEPTED, STALE},
    ),
}
SERVE_BROKEN = "import sys, app.coherence, app.__main__; {}; sys.exit(app.__main__.main(['serve']))"


@pytest.mark.parametrize("defect", BROKEN)
def test_a_service_that_breaks_the_protocol_is_caught(
    defect: str, shared: Shared, cache_servers: list[Memcached]
) -> None:
    for each in cache_servers:
        each.start()
    code, signs = BROKEN[defect]
    serve = (sys.executable, "-c", SERVE_BROKEN.format(code))
    with Pod("broken", shared, cache_servers[:2], kind=KINDS[0], workers=2, serve=serve) as pod:
        world = populate(pod.name, pod.port, sql=partial(execute, shared))
        found: set[str] = set()
        for number in range(ROUNDS):
            drive(world, {pod.name: pod.port}, (number + 1) * ROUND)
            found = {each.rule for each in violations(world.journal.operations)}
            if signs <= found:
                break
    assert signs <= found
