"""Cost curves: their points, what is said of them, and the page."""

from pathlib import Path

import pytest

from loadtest.curves import verdicts
from loadtest.curves.page import PAGE, SECTIONS, shown_points, text
from loadtest.curves.results import Curve, Point, extrapolated, load, rounded, save
from loadtest.plots import FOLDER


def points_of(name: str, *sizes: float) -> list[Point]:
    """Points of a part with a cost that grows as its size does."""
    columns = SECTIONS[name].columns
    others = {column.name for column in columns} | {name for plot in SECTIONS[name].plots for name, _ in plot.names}
    return [dict.fromkeys(others, size / 1000) | {columns[0].name: size} for size in sizes]


def test_extrapolation_goes_on_along_the_last_two_points() -> None:
    assert extrapolated([(1.0, 9.0), (10.0, 2.0), (100.0, 4.0)], 1000.0) == pytest.approx(8.0)
    assert extrapolated([(10.0, 4.0), (100.0, 2.0)], 1000.0) == 2.0
    assert extrapolated([(10.0, 0.0), (100.0, 2.0)], 1000.0) == 2.0


def test_points_keep_four_digits() -> None:
    assert rounded({"a": 123456.0, "b": 0.0123456, "c": 0.0}) == {"a": 123500.0, "b": 0.01235, "c": 0.0}


def test_saved_curves_are_read_again(tmp_path: Path) -> None:
    curves = {"users": Curve("a machine", True, [1.0, 2.0], points_of("users", 10, 100))}
    save(curves, tmp_path / "curves.json")
    assert load(tmp_path / "curves.json") == curves
    assert load(tmp_path / "nothing.json") == {}


@pytest.mark.parametrize("name", SECTIONS)
def test_each_part_says_where_it_gives_out(name: str) -> None:
    curve = Curve(
        "2 cores, load average 1.0 before the start\npackages", True, [1.0, 2.0], points_of(name, 100, 100_000)
    )
    page = text({name: curve})
    assert f"## {SECTIONS[name].title}" in page
    assert "give" in page.partition("**Where it gives out.** ")[2]
    assert "Measured on 2 cores; load average 1 before and 2 after, `QUICK=1`." in page


def test_ten_million_postings_are_told_as_extrapolated() -> None:
    curve = Curve("2 cores", False, [], points_of("postings", 100_000, 1_000_000))
    assert [each["postings"] for each in shown_points("postings", curve)] == [100_000, 1_000_000, 10_000_000]
    assert "extrapolated and not measured" in verdicts.postings(curve.points)


def test_page_has_the_kept_points_and_its_plots() -> None:
    curves = load()
    assert PAGE.read_text() == text(curves)
    wanted = {f"{plot.file}.svg" for name in curves for plot in SECTIONS[name].plots}
    assert wanted <= {each.name for each in FOLDER.iterdir()}
