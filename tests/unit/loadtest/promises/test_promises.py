"""The table of promises, what a cache could have, and what the cores did."""

import random
from pathlib import Path

import pytest

from loadtest.peers.drawing import zipf
from loadtest.promises.caching import share_of_first
from loadtest.promises.page import PAGE, generated
from loadtest.promises.resources import Shares
from loadtest.promises.results import Promise, Results, load, save, table, with_command

RESULTS = Results(
    "a machine\nits packages",
    True,
    [1.5, 3.0],
    with_command([Promise("login", "p50 <= 90 ms", "p50 95 ms", False), Promise("more", "", "1 ms")], "make it"),
)


def test_share_of_the_first_is_that_of_draws_by_the_law() -> None:
    draws = zipf(1_000, 50_000, random.Random(1))
    assert sum(number < 100 for number in draws) / len(draws) == pytest.approx(share_of_first(100, 1_000), abs=0.01)
    assert share_of_first(500, 500) == 1.0


def test_saved_results_are_read_again(tmp_path: Path) -> None:
    save(RESULTS, tmp_path / "promises.json")
    assert load(tmp_path / "promises.json") == RESULTS


def test_table_names_misses_and_the_load() -> None:
    text = table(RESULTS)
    assert "`QUICK=1`" in text
    assert "1.5 before and 3" in text
    assert "| login | p50 <= 90 ms | p50 95 ms | **no** | `make it` |" in text
    assert "| more |  | 1 ms |  | `make it` |" in text


@pytest.mark.parametrize(("shares", "used"), [(Shares([0.5, 0.4], 0.1, 0.0), 1.0), (Shares([0.5, 0.2], 0.1, 0.2), 0.8)])
def test_other_programs_do_not_count_as_idle_cores(shares: Shares, used: float) -> None:
    assert shares.used == pytest.approx(used)


def test_page_has_the_kept_results() -> None:
    assert generated(PAGE.read_text()) == PAGE.read_text()
