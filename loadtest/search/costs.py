"""Processor time of the database for one search, without the service's caches."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.config import DatabaseTuning
from app.errors import Unavailable
from app.infra.postgres.database import Database
from app.jobs.codes.salaries import shipped_rates
from app.jobs.query.pages.store import Key
from app.jobs.query.parameters import read
from app.jobs.query.searching import Searcher
from app.jobs.query.store import QueryStore
from app.jobs.schemas import FIELDS
from loadtest.report import Row
from loadtest.search.queries import Given, Queries, told
from loadtest.search.store import BACKEND
from loadtest.statistics import percentile

WARM_UP = 30
ROWS = 21
"""A page of 20, and one more that tells whether another page follows."""

P50_MS, P99_MS = 5.0, 20.0
WORST = {"two words and three broad filters": 40.0, "two words with 6 facets": 80.0}
TIMEOUT_MS = 5_000.0
DEEP, DEEPER = (2, 12), (490, 500)
PAGES_RATIO = 1.2
WALKED: tuple[Given, ...] = (
    {},
    {"employment_type": ["full_time"]},
    {"q": ["team"], "sort": ["published"]},
    {"workplace": ["onsite"], "employment_type": ["full_time"], "sort": ["salary"]},
)
"""Searches with more than 10,000 results."""

_ONE = DatabaseTuning(pool_min=1, pool_max=1)


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of one search."""

    processor: float
    wall: float


class Backend:
    """One client of the database, whose searches are planned and run as the service does."""

    def __init__(self, url: str) -> None:
        self._database = Database(url, _ONE, prepared=False)
        self.searcher = Searcher(QueryStore(self._database), shipped_rates())

    def search(self, given: Given, after: Key | None = None) -> tuple[Cost, list[Key]]:
        """What it costs, and the keys of what was found. Raises Unavailable."""
        pid = str(self._database.all(BACKEND)[0][0])
        before, started = _processor_ms(pid), time.perf_counter()
        wanted = read(given, "en", FIELDS)
        prepared = self.searcher.prepare(wanted)
        rows = self.searcher.page(prepared, ROWS, after).rows
        if wanted.total:
            self.searcher.total(prepared)
        if wanted.facets:
            self.searcher.facets(prepared, wanted.facets)
        wall = (time.perf_counter() - started) * 1000
        return Cost(_processor_ms(pid) - before, wall), [row.key for row in rows]

    def close(self) -> None:
        self._database.close()


def _processor_ms(pid: str) -> float:
    """How long a process has been on a core."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6


def by_kind(backend: Backend, queries: Queries, samples: int) -> list[Row]:
    """A row for each kind of search."""
    return [_row(kind, costs) for kind, costs in costs_by_kind(backend, queries, samples).items()]


def costs_by_kind(backend: Backend, queries: Queries, samples: int) -> dict[str, list[Cost]]:
    """Each kind of search, in turns."""
    for draw in queries.kinds.values():
        for _ in range(WARM_UP):
            backend.search(draw())
    found: dict[str, list[Cost]] = {kind: [] for kind in queries.kinds}
    for _ in range(samples):
        for kind, draw in queries.kinds.items():
            found[kind].append(backend.search(draw())[0])
    return found


def _row(kind: str, costs: Sequence[Cost]) -> Row:
    processor, wall = [each.processor for each in costs], [each.wall for each in costs]
    p50, p99 = percentile(processor, 0.5), percentile(processor, 0.99)
    measured = (
        f"p50 {p50:.1f}, p95 {percentile(processor, 0.95):.1f}, p99 {p99:.1f} ms processor time; "
        f"p50 {percentile(wall, 0.5):.1f}, p99 {percentile(wall, 0.99):.1f} ms wall"
    )
    if kind in WORST:
        return Row(kind, measured, f"p99 <= {WORST[kind]:g} ms", p99 <= WORST[kind])
    return Row(kind, measured, f"p50 <= {P50_MS:g}, p99 <= {P99_MS:g} ms", p50 <= P50_MS and p99 <= P99_MS)


def random_searches(backend: Backend, queries: Queries, many: int) -> list[Row]:
    """Whatever may be asked for; none may reach the time limit of a statement."""
    slowest, asked, late = 0.0, "", 0
    costs = []
    for _ in range(many):
        given = queries.any()
        try:
            cost, _ = backend.search(given)
        except Unavailable:
            late += 1
            continue
        costs.append(cost.processor)
        if cost.processor > slowest:
            slowest, asked = cost.processor, told(given)
    measured = (
        f"{late} reached it; p50 {percentile(costs, 0.5):.1f}, p99 {percentile(costs, 0.99):.1f}, "
        f"most {slowest:.0f} ms ({asked})"
    )
    return [Row(f"{many:,} random searches and the time limit", measured, "0", late == 0)]


def deep_pages(backend: Backend) -> list[Row]:
    """The processor time of a page far behind the first ones."""
    near, far = [], []
    for given in WALKED:
        after: Key | None = None
        for number in range(1, DEEPER[1] + 1):
            cost, keys = backend.search(given, after)
            if len(keys) < ROWS:
                break
            after = keys[-2]
            near += [cost.processor] if DEEP[0] <= number < DEEP[1] else []
            far += [cost.processor] if DEEPER[0] <= number else []
    if not far:
        return [Row("page 500 : page 2", "no search has as many pages", f"<= {PAGES_RATIO:g}x", met=False)]
    ratio = percentile(far, 0.5) / percentile(near, 0.5)
    measured = f"{ratio:.2f}x ({percentile(far, 0.5):.2f} : {percentile(near, 0.5):.2f} ms)"
    return [Row("page 500 : page 2", measured, f"<= {PAGES_RATIO:g}x", ratio <= PAGES_RATIO)]
