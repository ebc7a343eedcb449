"""Runs writers and readers until there are enough walks, optionally with faults."""

import itertools
import math
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.integration.finality.harness.people import Journal, Person, Session
from tests.integration.freshness.harness.clients import CALM_S, Pace
from tests.integration.freshness.harness.readers import Prober, Reader
from tests.integration.freshness.harness.record import Record
from tests.integration.freshness.harness.writers import Writer
from tests.pods.connections import Connections

PROBES = 5
"""Attempts a second to probe a write."""

Connect = Callable[[], Connections]


@dataclass(frozen=True)
class Size:
    """`rate` and `reads`: writes and walks per second of all clients; `open`: postings that the writers keep up.

    A write that does not find what it needs at its turn is left out: of 150 a second some 100 are acknowledged.

    `short`: the share of new postings that ends within seconds, which needs the clock of the service.
    """

    writers: int = 28
    readers: int = 4
    rate: float = 150
    reads: float = math.inf
    open: int = 60
    firms: int = 10
    short: float = 0.3
    owners: int = 3


def populate(
    connect: Connect, size: Size, first: Record | None = None, grant: Callable[[str], object] | None = None
) -> tuple[Record, list[Session]]:
    """Companies without postings, and the accounts that own them; `grant` makes an address that of an administrator."""
    connections, record = connect(), first or Record()
    if grant is not None:
        record.admin = _owner(connections)
        grant(record.admin.person.email)
    owners = [_owner(connections) for _ in range(size.owners)]
    writer = Writer(record, connections, 0, owners, size.open)
    for _, owner in zip(range(size.firms), itertools.cycle(owners), strict=False):
        assert writer.found(owner) is not None, record.answers
    connections.close()
    return record, owners


def drive(
    record: Record, owners: list[Session], connect: Connect, walks: int, size: Size,
    meanwhile: Callable[[threading.Event], None] | None = None,
) -> None:  # fmt: skip
    """Record at least `walks`, and continue until `meanwhile(enough)` returns; raises a client's error."""
    enough, over = threading.Event(), threading.Event()
    failures: list[BaseException] = []

    def run(step: Callable[[], None], connections: Connections) -> None:
        try:
            while not over.is_set():
                step()
                if len(record.walks) >= walks:
                    enough.set()
                    if meanwhile is None:
                        over.set()
        except BaseException as error:
            failures.append(error)
            enough.set()
            over.set()
        finally:
            connections.close()

    begun = time.monotonic()
    threads = [threading.Thread(target=run, args=each) for each in _clients(record, owners, connect, size)]
    for each in threads:
        each.start()
    try:
        if meanwhile is not None:
            meanwhile(enough)
    finally:
        if meanwhile is not None:
            over.set()
        for each in threads:
            each.join()
        record.seconds += time.monotonic() - begun
    if failures:
        raise failures[0]


def _clients(
    record: Record, owners: list[Session], connect: Connect, size: Size
) -> list[tuple[Callable[[], None], Connections]]:
    """The steps of all writers and readers, each with its connections."""
    writes, reads = Pace(size.rate, CALM_S), Pace(size.reads)
    seeds = random.Random(len(record.walks))
    found: list[tuple[Callable[[], None], Connections]] = []
    for _ in range(size.writers):
        connections = connect()
        writer = Writer(record, connections, seeds.getrandbits(32), owners, size.open)
        writer.short = size.short
        found.append((_paced(writes, writer.write), connections))
    for _ in range(size.readers):
        connections = connect()
        reader = Reader(record, connections, seeds.getrandbits(32))
        found.append((_paced(reads, reader.read), connections))
    connections = connect()
    writer = Writer(record, connections, seeds.getrandbits(32), owners, size.open)
    writer.around, writer.short = Prober(record, connections, seeds.getrandbits(32)).around, size.short
    found.append((_paced(Pace(PROBES), _in_a_calm(writes, writer.write)), connections))
    return found


def _paced(pace: Pace, step: Callable[[], None]) -> Callable[[], None]:
    def next_step() -> None:
        pace.wait()
        step()

    return next_step


def _in_a_calm(writes: Pace, probe: Callable[[], None]) -> Callable[[], None]:
    """Probe while the other writers rest, so that their changes do not end what is kept."""

    def next_step() -> None:
        if writes.rests():
            probe()

    return next_step


def _owner(connections: Connections) -> Session:
    connection, journal = connections.all()[0], Journal()
    person = Person.register(connection, journal)
    assert person is not None, journal.operations
    session = person.log_in(connection, journal)
    assert session is not None, journal.operations
    return session
