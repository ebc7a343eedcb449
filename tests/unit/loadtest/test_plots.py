"""Plots and generated parts of the documentation."""

from collections.abc import Callable
from pathlib import Path

import pytest
from defusedxml import ElementTree

from loadtest.pages import markdown, replaced
from loadtest.plots import Bound, Curve, Labels, bars, lines, short

LABELS = Labels("Lookups", "users in the table", "latency (ms)")
CURVES = [
    Curve("p50", [(1e4, 0.5), (1e5, 0.6), (1e6, 0.7)], [(0.4, 0.6), (0.5, 0.7), (0.6, 0.8)]),
    Curve("p99", [(1e4, 1.0), (1e5, 2.0), (1e6, 50.0)]),
]
GROUPS = {"profile": {"ours": [100.0, 90.0, 120.0], "theirs": [10.0, 9.0, 11.0]}, "login": {"ours": [38.0, 40.0]}}


def draw_lines(path: Path) -> None:
    lines(path, LABELS, CURVES, [Bound("target", 60.0)])


def draw_bars(path: Path) -> None:
    bars(path, Labels("Rates", "requests/s", ""), GROUPS)


@pytest.mark.parametrize("draw", [draw_lines, draw_bars])
def test_same_values_give_the_same_bytes(draw: Callable[[Path], None], tmp_path: Path) -> None:
    draw(tmp_path / "first.svg")
    draw(tmp_path / "other" / "second.svg")
    assert (tmp_path / "first.svg").read_bytes() == (tmp_path / "other" / "second.svg").read_bytes()


@pytest.mark.parametrize(
    ("draw", "told"),
    [
        (draw_lines, {"Lookups", "users in the table", "latency (ms)", "p50", "p99", "target", "10k", "100k", "1M"}),
        (draw_bars, {"Rates", "requests/s", "ours", "theirs", "profile", "login"}),
    ],
)
def test_plot_is_small_and_says_what_it_shows(draw: Callable[[Path], None], told: set[str], tmp_path: Path) -> None:
    draw(tmp_path / "plot.svg")
    written = (tmp_path / "plot.svg").read_text()
    texts = {
        "".join(each.itertext()).strip() for each in ElementTree.fromstring(written).iter() if each.tag.endswith("text")
    }
    assert told <= texts
    assert len(written) < 20_000
    assert "<date>" not in written.lower().replace("dc:", "")


def test_plot_has_colours_of_text_for_dark_pages(tmp_path: Path) -> None:
    draw_lines(tmp_path / "plot.svg")
    written = (tmp_path / "plot.svg").read_text()
    assert "prefers-color-scheme: dark" in written
    assert "#ffffff" not in written


@pytest.mark.parametrize(
    ("value", "text"), [(0.05, "0.05"), (2.5, "2.5"), (1000, "1000"), (25_000, "25k"), (1e6, "1M"), (2.5e9, "2.5G")]
)
def test_numbers_of_axes_are_short(value: float, text: str) -> None:
    assert short(value) == text


def test_generated_part_replaces_what_stands_between_its_markers() -> None:
    page = "before\n<!-- a -->\nold\n<!-- /a -->\nafter <!-- b -->\nkept\n<!-- /b -->\n"
    assert replaced(page, "a", "new\n") == page.replace("old", "new")
    with pytest.raises(ValueError, match="c"):
        replaced(page, "c", "new")


def test_table_escapes_its_own_marks() -> None:
    assert markdown(["a", "b"], [["1|2", "3"]]) == "| a | b |\n| --- | --- |\n| 1\\|2 | 3 |\n"
