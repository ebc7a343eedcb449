"""Medians, ratios and tables of the comparison with other stacks."""

from pathlib import Path

import pytest

from loadtest.peers.page import PAGE, generated
from loadtest.peers.results import BCRYPT, CHEAPER, Measured, Results, Sample, Target, load, markdown, noisy, rows
from loadtest.peers.sides import OURS, RUST

PROFILE = Measured(
    "profile",
    {
        OURS: [Sample(100.0, 40.0), Sample(300.0, 10.0), Sample(200.0, 20.0)],
        RUST: [Sample(200.0, 10.0), Sample(100.0, 20.0), Sample(200.0, 20.0)],
    },
    CHEAPER,
)


def test_ratios_compare_samples_of_the_same_round() -> None:
    assert PROFILE.ratios("rate") == [0.5, 3.0, 1.0]
    assert PROFILE.ratios("cost") == [4.0, 0.5, 1.0]
    assert noisy(PROFILE.ratios("cost")) == "1.00x (0.50-4.00)"


def test_median_ratio_decides_whether_a_target_is_met() -> None:
    rate, cost = rows(Results("a machine", True, [PROFILE]))[-2:]
    assert (rate.target, rate.met) == (">= 1x", True)
    assert (cost.target, cost.met) == ("<= 0.9x", False)


@pytest.mark.parametrize(("ours", "met"), [(9.7, False), (9.9, True)])
def test_target_can_be_beside_another_side(ours: float, met: bool) -> None:
    target = Target("rate", 0.98, BCRYPT)
    login = Measured("login", {OURS: [Sample(ours, 0)], BCRYPT: [Sample(10.0, 0)]}, (target,))
    row = rows(Results("a machine", True, [login]))[-1]
    assert (row.what, row.met) == ("login, jobfinder : bcrypt alone, requests/s", met)


def test_without_the_rust_peer_its_targets_are_left_out() -> None:
    alone = Results("a machine", True, [Measured("profile", {OURS: PROFILE.sides[OURS]}, CHEAPER)])
    assert [row.met for row in rows(alone)] == [None]
    assert "**no**" not in markdown(alone)


def test_saved_results_are_read_again(tmp_path: Path) -> None:
    results = Results("a machine", False, [PROFILE])
    results.save(tmp_path / "some" / "results.json")
    read = load(tmp_path / "some" / "results.json")
    assert markdown(read) == markdown(results)
    assert read.measured[0].sides == PROFILE.sides


def test_table_names_misses() -> None:
    line = markdown(Results("a machine", True, [PROFILE])).splitlines()[-1]
    assert line.startswith("| profile | 200/s, 20.0 µs | 200/s, 20.0 µs |")
    assert line.endswith("| requests/s >= 1x<br>processor time <= 0.9x | yes<br>**no** |")


def test_documentation_has_the_kept_results() -> None:
    """Run make docs."""
    assert generated(PAGE.read_text()) == PAGE.read_text()
