"""The comparison with an earlier commit."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest

from loadtest.revisions import __main__ as revisions
from loadtest.revisions.__main__ import Plan, compared, rounds


def test_side_that_begins_alternates() -> None:
    measured: list[str] = []

    def cost(side: str, seconds: float) -> float:
        measured.append(side)
        return float(len(measured))

    found = rounds(cost, "before", "after", Plan(1, 2, 0.5))
    assert measured == ["before", "after", "after", "before"]
    assert found == [(1.0, 2.0), (4.0, 3.0)]


@pytest.mark.parametrize(("now", "met"), [(102.9, True), (103.1, False)])
def test_ratio_is_the_median_of_all_rounds(now: float, met: bool) -> None:
    row = compared("profile", [(100.0, 150.0), (100.0, now), (200.0, 100.0)])
    assert row.met is met
    assert row.measured.startswith(("+2.9%", "+3.1%"))


class Ground:
    """Its services are dearer in some pairs."""

    def __init__(self, *costs: float) -> None:
        self._costs, self.started = costs, 0

    @contextmanager
    def services(self) -> Iterator[float]:
        self.started += 1
        yield self._costs[self.started - 1]


def test_services_are_new_in_each_pair_on_the_same_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """One process in which all requests are dearer does not decide the ratio."""
    before, after = Ground(40.0, 40.0, 40.0), Ground(40.0, 40.0, 60.0)
    monkeypatch.setattr(revisions, "earlier", lambda commit: commit)
    monkeypatch.setattr(revisions, "_grounds", lambda *checkouts: nullcontext((before, after)))
    monkeypatch.setattr(revisions, "_warm_up", lambda work, *sides: None)
    monkeypatch.setattr(revisions, "_cost_us", lambda work, side, seconds: side)
    rows = revisions._measured("a commit", Plan(3, 2, 0.1))
    assert (before.started, after.started) == (3, 3)
    assert [row.measured for row in rows] == ["+0.0% (40.0 us before, 40.0 us now)"] * 3
