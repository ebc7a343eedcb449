"""Parts of a file: how many are written at a time, in which order they are reported, and when one waits."""

import threading
from collections.abc import Sequence
from contextlib import closing

import pytest

from app.imports.feeding import _added, _Part
from app.imports.lines import Line, lines_of
from app.imports.schemas import LineReport

PATIENCE_S = 30


def part(*names: str) -> _Part:
    return _Part(list(lines_of(b'{"external_id": "%s"}' % name.encode() for name in names)), len(names), 0)


def reported(lines: Sequence[Line]) -> list[LineReport]:
    return [LineReport(line.number, "created", line.external_id) for line in lines]


def names(reports: Sequence[LineReport]) -> list[str]:
    return [each.external_id for each in reports]


def test_a_part_is_prepared_while_another_is_written() -> None:
    together = threading.Barrier(2)

    def add(lines: Sequence[Line]) -> list[LineReport]:
        together.wait(PATIENCE_S)
        return reported(lines)

    with closing(_added(iter([part("a", "b"), part("c")]), add)) as added:
        assert [names(reports) for _, reports in added] == [["a", "b"], ["c"]]


def test_parts_that_name_the_same_posting_are_written_one_after_another() -> None:
    writing, most = [], []

    def add(lines: Sequence[Line]) -> list[LineReport]:
        writing.append(lines)
        most.append(len(writing))
        writing.remove(lines)
        return reported(lines)

    parts = [part("a", "b"), part("b", "c"), part("c", "d")] * 20
    with closing(_added(iter(parts), add)) as added:
        assert [each for each, _ in added] == parts
    assert max(most) == 1


def test_failure_waits_for_the_other_part() -> None:
    failed, done = threading.Event(), []

    def add(lines: Sequence[Line]) -> list[LineReport]:
        if lines[0].external_id == "a":
            failed.set()
            raise ValueError("refused")
        failed.wait(PATIENCE_S)
        done.append(lines)
        return reported(lines)

    with closing(_added(iter([part("a"), part("b")]), add)) as added, pytest.raises(ValueError, match="refused"):
        next(added)
    assert len(done) == 1
