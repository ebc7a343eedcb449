"""The report of shares by demand against equal ones."""

from loadtest.shares.__main__ import Side, report


def test_ratio_compares_p99_waits_of_both_sides() -> None:
    equal = Side("equal", [0.001] * 98 + [0.040] * 2, ["4/4"], 8)
    demand = Side("by demand", [0.001] * 98 + [0.010] * 2, ["6/2"], 8)
    lines = report([equal, demand]).splitlines()
    assert lines[-1] == "p99 wait, equal shares / shares by demand: 4.0"
    assert lines[1].split()[:6] == ["equal", "100", "1.0", "ms", "40.0", "ms"]
    assert lines[2].endswith("8 of 16   6/2")
