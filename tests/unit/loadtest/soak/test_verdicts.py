"""What fails a soak test."""

from collections import Counter
from dataclasses import replace

import pytest

from loadtest.soak.store import TABLES
from loadtest.soak.verdicts import Counted, verdicts

SECONDS, WARM_UP_S = 1000.0, 200.0
GOOD = Counted(5000, 0, Counter({1: 40}), 30, 0, [], (1, 100), {"tasks that are due": 0})
STEADY = [(float(at), 50.0) for at in range(0, 1000, 10)]
GROWING = [(at, value + at / 10) for at, value in STEADY]
SERIES = {
    "memory of worker 1": STEADY,
    "descriptors of worker 1": STEADY,
    "threads of worker 1": STEADY,
    "memory of memcached": [(0.0, 10.0), (900.0, 80.0)],
    "processes of PostgreSQL": [(0.0, 20.0), (10.0, 33.0)],
    "processor time of worker 1": STEADY,
    "p50 of reads": STEADY,
    "p99 of reads": STEADY,
    **{f"rows of {each.name}": STEADY for each in TABLES},
}
JUDGED = (
    "memory of worker 1", "descriptors of worker 1", "threads of worker 1", "processor time of worker 1",
    "p50 of reads", "p99 of reads", "rows of live sessions",
)  # fmt: skip


def missed(counted: Counted = GOOD, name: str = "", points: list[tuple[float, float]] | None = None) -> list[str]:
    series = SERIES | ({} if points is None else {name: points})
    return [row.what for row in verdicts(series, counted, SECONDS, WARM_UP_S) if row.met is False]


def test_steady_run_is_passed() -> None:
    assert missed() == []


@pytest.mark.parametrize("name", JUDGED)
def test_growth_is_a_failure(name: str) -> None:
    assert missed(name=name, points=GROWING) == [name]


@pytest.mark.parametrize("name", JUDGED)
def test_series_without_points_is_a_failure(name: str) -> None:
    assert missed(name=name, points=[]) == [name]


def test_memcached_fills_but_not_beyond_its_limit() -> None:
    name = "memory of memcached"
    assert missed(name=name, points=[(0.0, 10.0), (900.0, 120.0)]) == [name]


def test_pool_has_a_limit() -> None:
    name = "processes of PostgreSQL"
    assert missed(name=name, points=[(0.0, 20.0), (10.0, 90.0), (20.0, 20.0)]) == [name]


def test_rows_that_are_kept_for_longer_than_the_test_are_not_judged() -> None:
    name = next(f"rows of {each.name}" for each in TABLES if each.kept_s > SECONDS)
    assert missed(name=name, points=GROWING) == []
    row = next(row for row in verdicts(SERIES, GOOD, SECONDS, WARM_UP_S) if row.what == name)
    assert (row.met, "not judged" in row.measured) == (None, True)


@pytest.mark.parametrize(
    ("counted", "what"),
    [
        (replace(GOOD, failures=1), "failed requests"),
        (replace(GOOD, told=Counter({1: 40, 0: 1})), "postings told of by mails"),
        (replace(GOOD, told=Counter({1: 40, 2: 1})), "postings told of by mails"),
        (replace(GOOD, told=Counter()), "postings told of by mails"),
        (replace(GOOD, dead_checked=0), "tokens of ended sessions, refused at the end"),
        (replace(GOOD, restarted=1), "processes that ended"),
        (replace(GOOD, complaints=["worker: ERROR"]), "warnings and errors in logs"),
        (replace(GOOD, shed=(3, 100)), "passwords that were to be sent again (503)"),
        (replace(GOOD, left={"tasks that are due": 2}), "left over at the end"),
    ],
)
def test_what_must_not_happen(counted: Counted, what: str) -> None:
    assert missed(counted) == [what]
