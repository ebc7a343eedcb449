"""Runs the checker of fresh searches against a Service while a test changes the system behind it."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.e2e.platform.load.checker import Checker
from tests.e2e.platform.load.clients import WORKERS_MOST, Address, ServiceConnections, Tally
from tests.integration.freshness.harness.load import Size, drive, populate
from tests.integration.freshness.harness.record import Record
from tests.integration.freshness.harness.rules import Violation, violations
from tests.pods.connections import Connections

SIZE = Size(writers=4, readers=2, rate=12, reads=12, open=40, firms=4, short=0.0)
"""Small, as what is watched is the change of the system; nothing expires, as the cluster may have other clocks."""
log = logging.getLogger(__name__)


@dataclass
class Searches:
    """The record while the load runs; the violations once it has ended."""

    record: Record
    tally: Tally
    violations: list[Violation] = field(default_factory=list)

    def summary(self) -> str:
        """A readable text of several lines."""
        lines = [f"searches: {len(self.violations)} violations in {self.record.summary()}"]
        return "\n".join((*lines, *map(str, self.violations[:5]), *self.record.lost[:5], *self.tally.unreachable[:5]))

    def assert_nothing_failed(self) -> None:
        """Every request was answered, and no answer was older than an acknowledged change."""
        assert self.record.walks, self.summary()
        assert not self.violations, self.summary()
        assert not [each for each in self.record.answers if each[1] in (0, 503)], self.summary()
        assert not self.tally.unreachable, self.summary()


@contextmanager
def searching(address: Address, size: Size = SIZE) -> Iterator[Searches]:
    """Write postings and walk through searches until the block ends; then judge, and log the summary."""
    tally, over = Tally(), threading.Event()

    def connect() -> Connections:
        return ServiceConnections(address, WORKERS_MOST, tally)

    record, owners = populate(connect, size)
    searches = Searches(record, tally)
    checker = Checker(lambda meanwhile: drive(record, owners, connect, 1, size, meanwhile), over)
    checker.start()
    try:
        yield searches
    finally:
        over.set()
        checker.join()
        searches.violations = violations(record)
        log.info("%s", searches.summary())
    if checker.failure is not None:
        raise checker.failure
