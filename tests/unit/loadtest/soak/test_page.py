"""The page of the soak test: its tables and plots are those of the kept results."""

from pathlib import Path

from loadtest.plots import FOLDER
from loadtest.report import Row
from loadtest.soak.__main__ import KEPT
from loadtest.soak.page import PAGE, PLOTS, generated, plot
from loadtest.soak.results import Requests, Results, load

RESULTS = Results(
    machine="a machine\nwith packages",
    seconds=360.0,
    rate=150.0,
    loads=(0.5, 2.0),
    requests=[
        Requests("login", "passwords", 5, 0.1, 60.0, 80.0, 1, 0),
        Requests("odd", "failed", 1, 0.1, None, None, 0, 1),
    ],
    series={"memory of worker 1": [(0.0, 50.12), (60.0, 51.0)]},
    verdicts=[Row("failed requests", "1 of 6", "0", met=False), Row("rows of x", "kept")],
    examples=["odd: 503"],
)


def test_saved_results_are_read_again(tmp_path: Path) -> None:
    RESULTS.save(tmp_path / "soak.json")
    assert load(tmp_path / "soak.json") == RESULTS


def test_point_of_a_series_takes_one_line(tmp_path: Path) -> None:
    RESULTS.save(tmp_path / "soak.json")
    assert "[60.0, 51.0]" in (tmp_path / "soak.json").read_text()


def test_page_tells_verdicts_and_requests() -> None:
    text = generated(PAGE.read_text(), RESULTS)
    assert "| failed requests | 1 of 6 | 0 | **no** |" in text
    assert "| login | 5 | 0.10 | 60.0 ms | 80.0 ms | 1 | 0 |" in text
    assert "0.1 hours, 6 requests, on a machine; with packages. Load average 0.5 before" in text


def test_page_and_plots_are_those_of_the_kept_results(tmp_path: Path) -> None:
    results = load(KEPT)
    assert generated(PAGE.read_text(), results) == PAGE.read_text()
    plot(results, tmp_path)
    for name in PLOTS:
        assert (tmp_path / f"{name}.svg").read_text() == (FOLDER / f"{name}.svg").read_text()
