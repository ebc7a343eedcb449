"""Medians, ratios and tables of the comparison with other stacks."""

from pathlib import Path

import pytest

from loadtest.peers import tables
from loadtest.peers.page import KEPT, PAGE, generated
from loadtest.peers.promises import PROMISES
from loadtest.peers.results import BCRYPT, CHEAPER, OPEN, Measured, Results, Sample, Target, load, noisy, rows
from loadtest.peers.sides import DJANGO, OURS, RUST

PROFILE = Measured(
    "profile",
    {
        OURS: [Sample(100.0, 40.0, 1.0, 2.0), Sample(300.0, 10.0, 1.0, 2.0), Sample(200.0, 20.0, 1.0, 2.0)],
        RUST: [Sample(200.0, 10.0), Sample(100.0, 20.0), Sample(200.0, 20.0)],
    },
    CHEAPER,
)


def results(*measured: Measured) -> Results:
    return Results("a machine", True, list(measured), PROMISES)


def line_of(text: str, *cells: str) -> list[str]:
    """The only row of the table that begins with these cells."""
    (line,) = (each for each in text.splitlines() if each.startswith("| " + " | ".join(cells) + " |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_ratios_compare_samples_of_the_same_round() -> None:
    assert PROFILE.ratios("rate") == [0.5, 3.0, 1.0]
    assert PROFILE.ratios("cost") == [4.0, 0.5, 1.0]
    assert noisy(PROFILE.ratios("cost")) == "1.00x (0.50-4.00)"


def test_median_ratio_decides_whether_a_target_is_met() -> None:
    rate, cost = rows(results(PROFILE))[-2:]
    assert (rate.target, rate.met) == (">= 1x", True)
    assert (cost.target, cost.met) == ("<= 0.9x", False)


@pytest.mark.parametrize(("ours", "met"), [(9.7, False), (9.9, True)])
def test_target_can_be_beside_another_side(ours: float, met: bool) -> None:
    target = Target("rate", 0.98, BCRYPT)
    login = Measured("login", {OURS: [Sample(ours, 0)], BCRYPT: [Sample(10.0, 0)]}, (target,))
    row = rows(results(login))[-1]
    assert (row.what, row.met) == ("login, jobfinder : bcrypt alone, requests/s", met)


def test_without_the_rust_peer_its_targets_are_left_out() -> None:
    alone = results(Measured("profile", {OURS: PROFILE.sides[OURS]}, CHEAPER))
    assert [row.met for row in rows(alone)] == [None]
    assert "**no**" not in tables.page(alone)


def test_side_that_answered_nothing_has_no_ratio() -> None:
    flood = Measured("flood", {OURS: [Sample(9.0, 0)], DJANGO: [Sample(0.0, 0)]})
    assert line_of(tables.page(results(flood)), "flood", DJANGO)[2:8] == ["0.0/s", "0-0", "", "", "", ""]


def test_saved_results_are_read_again(tmp_path: Path) -> None:
    saved = results(PROFILE)
    saved.save(tmp_path / "some" / "results.json")
    read = load(tmp_path / "some" / "results.json")
    assert tables.page(read) == tables.page(saved)
    assert read.measured[0].sides == PROFILE.sides


def test_table_names_misses() -> None:
    text = tables.page(results(PROFILE))
    assert line_of(text, "profile", RUST, "processor time <= 0.9x")[3:] == ["1.00x (0.50-4.00)", "**no**"]
    assert line_of(text, "profile", RUST, "requests/s >= 1x")[4] == "yes"


def test_table_gives_medians_the_spread_of_rounds_and_when_a_logout_holds() -> None:
    found = line_of(tables.page(results(PROFILE)), "profile", OURS)
    assert found[2:6] == ["200/s", "100-300", "20.0 µs", "p50 1.00, p99 2.00 ms"]
    assert found[-1] == "final everywhere"


def test_rates_of_an_open_loop_are_not_compared() -> None:
    paced = Measured("profile, 200 a second", PROFILE.sides, kind=OPEN)
    assert line_of(tables.page(results(paced)), "profile, 200 a second", RUST)[6:8] == ["", "1.00x (0.50-4.00)"]


def test_every_plot_of_the_page_is_drawn(tmp_path: Path) -> None:
    shown = results(PROFILE, Measured("profile, 200 a second", {OURS: PROFILE.sides[OURS]}, kind=OPEN))
    tables.draw(shown, tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["peers-closed-loop.svg", "peers-open-loop.svg"]
    assert all(f"(plots/{name})" in tables.page(shown) for name in names)


def test_every_side_has_its_promises() -> None:
    assert all(set(each) == {"logout", "age of answers", "lacks"} for each in PROMISES.values())


def test_documentation_has_the_kept_results() -> None:
    """Run make docs."""
    assert generated(PAGE.read_text()) == PAGE.read_text()


def test_documentation_has_the_plots_of_the_kept_results(tmp_path: Path) -> None:
    """Run make docs."""
    tables.draw(load(KEPT), tmp_path)
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (PAGE.parent / "plots" / path.name).read_bytes()
