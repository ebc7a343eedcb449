"""The command line: `python -m loadtest.alerts [--quick]`; exit code 1 if a target is missed."""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

from app.alerts import store as searches
from app.alerts.matching import service, store
from app.alerts.matching.anchors import anchors_of, too_broad
from app.alerts.matching.service import Matcher
from app.alerts.matching.store import MatchingStore, Occasion
from app.alerts.queries import OF_PAGES
from app.config import DatabaseTuning
from app.errors import ConfigError, ProductError
from app.events.service import EventLog
from app.events.store import Event, EventStore, Place
from app.infra.postgres.database import Database
from app.infra.postgres.migrate import migrate
from app.jobs.codes.salaries import shipped_rates
from app.jobs.query.parameters import read
from app.jobs.schemas import FIELDS
from app.jobs.upkeep.store import UpkeepStore
from app.local.postgres import DATABASE, Postgres
from app.local.process import LocalError
from app.local.seed.jobs import add_jobs
from app.local.seed.postings import Catalogue, Period
from app.local.seed.users import add_recruiters
from app.main import preparation
from loadtest.alerts.store import BACKEND, MATCHES, NEWEST, SIZES, SKIP_EVENTS, add_searches, add_users
from loadtest.report import Row, machine, table
from loadtest.search.ground import SETTINGS
from loadtest.search.queries import Queries, sources_of
from loadtest.statistics import percentile

SEED, JOBS, CHUNK = 11, 5_000, 5_000
P99_MS, PER_S, ADDING_MS = 25.0, 150.0, 10.0
KINDS = {"two words": 5, "one common word": 3, "filters only": 2, "a word within 25 km": 2, "three words": 1}
"""What people save, and how often: mostly a word or two, with a place."""

SAVED_AGAIN = 0.3
"""The share of searches that equal an earlier one; early ones are saved most often."""


@dataclass(frozen=True, slots=True)
class Effort:
    """`saved` searches, `samples` postings that are matched alone, and batches of BATCH."""

    saved: int
    samples: int
    batches: int


FULL, QUICK = Effort(1_000_000, 1_000, 30), Effort(50_000, 200, 5)


class Ground:
    """A catalogue with saved searches, all ready to be matched."""

    def __init__(self, url: str, effort: Effort) -> None:
        self.database = Database(url, DatabaseTuning(pool_min=1, pool_max=3), prepared=False)
        self.matching = MatchingStore(self.database)
        self.matcher = Matcher(EventLog(EventStore(self.database)), self.matching, shipped_rates())
        self.queries = Queries(sources_of(url), random.Random(SEED))
        self.users = add_users(self.database, max(effort.saved // 20, 1))
        self._chance = random.Random(SEED)

    def fill(self, saved: int) -> None:
        known: list[str] = []
        while len(known) < saved:
            made = [self._drawn(known) for _ in range(min(CHUNK, saved - len(known)))]
            known += made
            add_searches(self.database, self._chance.choices(self.users, k=len(made)), made)

    def drawn(self) -> str:
        """A search that can alert somebody."""
        names, weights = list(KINDS), list(KINDS.values())
        while True:
            given = self.queries.kinds[self._chance.choices(names, weights)[0]]()
            given = {name: values for name, values in given.items() if name not in OF_PAGES}
            if self._chance.random() < 0.4:
                given |= {k: v for k, v in self.queries.broad().items() if k == "country"}
            if not too_broad(read(given, "en", FIELDS)):
                return urlencode(given, doseq=True)

    def _drawn(self, known: Sequence[str]) -> str:
        if known and self._chance.random() < SAVED_AGAIN:
            return known[int(len(known) * self._chance.random() ** 4)]
        return self.drawn()


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.alerts", description="Measure matching on this machine.")
    parser.add_argument("--quick", action="store_true", help="50,000 saved searches, instead of 1,000,000")
    given = parser.parse_args(arguments)
    try:
        rows = _measure(QUICK if given.quick else FULL)
    except (LocalError, ConfigError, ProductError, OSError) as error:
        print(f"bench-alerts: {error}", file=sys.stderr)
        return 1
    return 1 if any(row.met is False for row in rows) else 0


def _measure(effort: Effort) -> list[Row]:
    where = machine()
    with tempfile.TemporaryDirectory() as folder, Postgres(Path(folder) / "pg", durable=False, settings=SETTINGS) as on:
        url = on.create_database(DATABASE)
        migrate(url, preparation())
        _said(f"{JOBS:,} postings")
        _add_jobs(url)
        ground = Ground(url, effort)
        ground.database.run(SKIP_EVENTS)
        _said(f"{effort.saved:,} saved searches")
        ground.fill(effort.saved)
        compiling = _timed(ground.matcher.tick)
        saved, distinct, branches, size = ground.database.all(SIZES)[0]
        _said("matching")
        rows = [
            _one_by_one(ground, effort.samples),
            _batches(ground, effort.batches),
            _adding(ground, effort.samples),
            Row("putting a query under its anchors", f"{compiling / distinct:.2f} ms"),
        ]
        matches, written = ground.database.all(MATCHES)[0]
        rows.append(Row("query_match", f"{matches:,} rows, {written / 2**20:.0f} MiB"))
        ground.database.close()
    told = f"{saved:,} searches, {distinct:,} distinct, {branches:,} rows of {size / 2**20:,.0f} MiB; {JOBS:,} postings"
    print(f"\n{where}\n{told}\n\n{table(rows)}")
    return rows


def _add_jobs(url: str) -> None:
    database = Database(url, DatabaseTuning(), prepared=False)
    now = datetime.now(UTC)
    period = Period(now - timedelta(days=30), now, now + timedelta(days=300))
    add_jobs(url, Catalogue(1, JOBS, period), lambda emails: add_recruiters(database, emails, b"x"))
    UpkeepStore(database).count()
    database.close()


def _one_by_one(ground: Ground, samples: int) -> Row:
    """The statement that matches one posting, with what it writes."""
    found = [_match(ground, [number]) for (number,) in ground.database.all(NEWEST, samples)]
    processor, wall = [cost for cost, _, _ in found], [cost for _, cost, _ in found]
    matched = sum(many for _, _, many in found) / len(found)
    told = (
        f"p50 {percentile(processor, 0.5):.1f}, p99 {percentile(processor, 0.99):.1f} ms processor time; "
        f"p50 {percentile(wall, 0.5):.1f}, p99 {percentile(wall, 0.99):.1f} ms wall; {matched:,.0f} queries match"
    )
    p99 = percentile(processor, 0.99)
    return Row("matching one posting, the database", told, f"p99 <= {P99_MS:.0f} ms", p99 <= P99_MS)


def _batches(ground: Ground, many: int) -> Row:
    numbers = [number for (number,) in ground.database.all(NEWEST, many * service.BATCH)]
    started = time.perf_counter()
    for first in range(0, len(numbers), service.BATCH):
        _match(ground, numbers[first : first + service.BATCH])
    per_s = len(numbers) / (time.perf_counter() - started)
    return Row(f"batches of {service.BATCH}", f"{per_s:.0f} postings/s", f">= {PER_S:.0f}/s", per_s >= PER_S)


def _match(ground: Ground, numbers: Sequence[int]) -> tuple[float, float, int]:
    """Milliseconds of processor time of the database and of waiting, and how many queries have a newer match."""
    at, place = datetime.now(UTC), Place(1, time.time_ns(), 1)
    subjects = ground.matching.shown(numbers)
    occasions = [
        Occasion(each.id, anchors_of(each.terms, each.lexemes), Event(place, "opened", each.id, 1, at, {}))
        for each in subjects
    ]
    with ground.database.transaction() as transaction:
        pid = transaction.all(BACKEND)[0][0]
        before, started = _processor_ms(pid), time.perf_counter()
        many = len(store.match(transaction, occasions))
        wall = (time.perf_counter() - started) * 1000
        return _processor_ms(pid) - before, wall, many


def _adding(ground: Ground, samples: int) -> Row:
    """Saving a search, and putting it under its anchors."""
    times = []
    for number in range(samples):
        query, started = ground.drawn(), time.perf_counter()
        with ground.database.transaction() as transaction:
            searches.insert(transaction, ground.users[number % len(ground.users)], "Bench", query)
        times.append((time.perf_counter() - started) * 1000)
    ground.matcher.tick()
    p99 = percentile(times, 0.99)
    told = f"p50 {percentile(times, 0.5):.1f}, p99 {p99:.1f} ms wall"
    return Row("adding a search", told, f"<= {ADDING_MS:.0f} ms", percentile(times, 0.5) <= ADDING_MS)


def _timed(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return (time.perf_counter() - started) * 1000


def _processor_ms(pid: int) -> float:
    """How long a process has been on a core."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6


def _said(text: str) -> None:
    print(f"[bench] {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
