"""Whether the benchmark keeps to its time."""

import pytest

from loadtest.__main__ import planned_s
from loadtest.scenarios import MOST_S


@pytest.mark.parametrize("quick", [True, False])
def test_all_scenarios_together_keep_to_the_time(quick: bool) -> None:
    assert planned_s(quick=quick) <= MOST_S[quick]
