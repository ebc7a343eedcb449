"""Whether a soak test has shown that nothing grows, nothing fails and nothing is lost."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from loadtest.report import Row
from loadtest.soak.flatness import Allowance, Trend, trend
from loadtest.soak.store import TABLES, Table

MEMORY, THREADS, COST, ROWS = Allowance(0.05, 4.0), Allowance(0.0, 8.0), Allowance(0.15, 0.05), Allowance(0.25, 30.0)
DESCRIPTORS, FILES = Allowance(0.1, 16.0), Allowance(0.1, 64.0)
"""Pools of connections have some more when other work on the machine slows their use down. A process of PostgreSQL
keeps open what it has read, of some hundred files in all."""

MEDIAN, LATENCY = Allowance(0.25, 2.0), Allowance(0.5, 25.0)
"""Other work on the machine shows in the 99th percentile first, and least in the processor time of a request."""

MEMCACHED_MIB = 96
"""What memcached may have: it keeps what it is given until its 64 MiB are full, besides its own tables and buffers."""

PROCESSES_MOST = 40
"""PostgreSQL's: the 20 connections of PgBouncer's pool, those of an import and of this test, and its own."""

SHED_MOST = 0.02
"""Passwords are hashed at a low priority: other work on the machine makes some wait for too long."""

PERIODS_KEPT = 2.5
"""A table is judged in a test that lasts so many times as long as its rows are kept."""

LATENCIES = ("reads", "searches", "writes", "sessions", "passwords", "streams")
Series = Mapping[str, Sequence[tuple[float, float]]]


@dataclass(frozen=True)
class Counted:
    """What was counted: `told` is how many postings were told of by so many mails."""

    requests: int
    failures: int
    told: Counter[int]
    dead_checked: int
    restarted: int
    complaints: Sequence[str]
    shed: tuple[int, int]
    """Requests with a password that a busy worker refused (503), and all of them."""

    left: Mapping[str, int]
    """Rows that are left of what should be empty once nobody asks for anything."""


def verdicts(series: Series, counted: Counted, seconds: float, warm_up_s: float) -> list[Row]:
    """The rows of the table; a row without a target says why it is not judged."""
    return [
        *_counts(counted),
        *_growths(series, warm_up_s),
        *(_table(each, series, seconds, warm_up_s) for each in TABLES),
    ]


def _counts(counted: Counted) -> Iterator[Row]:
    yield Row("failed requests", f"{counted.failures:,} of {counted.requests:,}", "0", counted.failures == 0)
    shed, asked = counted.shed
    told = f"{shed:,} of {asked:,}"
    yield Row("passwords that were to be sent again (503)", told, f"<= {SHED_MOST:.0%}", shed <= SHED_MOST * asked)
    dead = counted.dead_checked
    yield Row("tokens of ended sessions, refused at the end", f"{dead:,} of {dead:,}", "> 0", dead > 0)
    told = ", ".join(f"{number:,} by {times}" for times, number in sorted(counted.told.items())) or "none"
    once = set(counted.told) == {1}
    yield Row("postings told of by mails", told, "each by 1", once)
    yield Row("processes that ended", f"{counted.restarted}", "0", counted.restarted == 0)
    yield Row("warnings and errors in logs", f"{len(counted.complaints)}", "0", not counted.complaints)
    left = ", ".join(f"{number} {name}" for name, number in counted.left.items() if number) or "nothing"
    yield Row("left over at the end", left, "nothing", left == "nothing")


def _growths(series: Series, warm_up_s: float) -> Iterator[Row]:
    for name in series:
        what, _, of = name.partition(" of ")
        if what == "memory" and of == "memcached":
            yield _memcached(name, series[name])
        elif what == "memory":
            yield _row(name, series[name], warm_up_s, MEMORY, "{:,.1f} MiB")
        elif what == "descriptors":
            yield _row(name, series[name], warm_up_s, FILES if of == "PostgreSQL" else DESCRIPTORS, "{:,.0f}")
        elif what == "threads":
            yield _row(name, series[name], warm_up_s, THREADS, "{:,.0f}")
        elif what == "processes":
            yield _processes(name, series[name])
        elif what == "processor time":
            yield _row(name, series[name], warm_up_s, COST, "{:,.2f} ms")
        elif what == "p50" and of in LATENCIES:
            yield _row(name, series[name], warm_up_s, MEDIAN, "{:,.1f} ms")
        elif what == "p99" and of in LATENCIES:
            yield _row(name, series[name], warm_up_s, LATENCY, "{:,.0f} ms")


def _table(table: Table, series: Series, seconds: float, warm_up_s: float) -> Row:
    name = f"rows of {table.name}"
    points = series.get(name, ())
    if seconds < PERIODS_KEPT * table.kept_s:
        grown = f"{points[0][1]:,.0f} to {points[-1][1]:,.0f}" if points else "not counted"
        return Row(name, f"{grown}; not judged, as they are kept for {_period(table.kept_s)}")
    return _row(name, points, max(warm_up_s, table.kept_s), ROWS, "{:,.0f}")


def _row(name: str, points: Sequence[tuple[float, float]], warm_up_s: float, allowance: Allowance, form: str) -> Row:
    found = trend(points, warm_up_s)
    if found is None:
        return Row(name, "too few points", "measured", met=False)
    bound = f"grows by <= {form.format(allowance.of(found.level))}"
    return Row(name, _told(found, form), bound, found.flat(allowance))


def _memcached(name: str, points: Sequence[tuple[float, float]]) -> Row:
    most = max(value for _, value in points)
    told = f"{points[0][1]:,.1f} to {points[-1][1]:,.1f} MiB"
    return Row(name, told, f"<= {MEMCACHED_MIB} MiB", most <= MEMCACHED_MIB)


def _processes(name: str, points: Sequence[tuple[float, float]]) -> Row:
    """Connections of a pool come and go; there are as many as are needed at once."""
    most = max(value for _, value in points)
    return Row(name, f"{most:.0f} at most", f"<= {PROCESSES_MOST}", most <= PROCESSES_MOST)


def _told(found: Trend, form: str) -> str:
    grown = form.format(abs(found.growth))
    return f"{form.format(found.level)}, {'grew' if found.growth >= 0 else 'fell'} by {grown}"


def _period(seconds: float) -> str:
    hours = seconds / 3600
    return (
        f"{hours:.0f} hours"
        if 2 <= hours < 72
        else f"{hours / 24:.0f} days"
        if hours >= 72
        else f"{seconds / 60:.0f} minutes"
    )
