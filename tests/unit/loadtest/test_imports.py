"""The lines of `make bench-import` are ones that an import accepts."""

from pathlib import Path

from app.imports.lines import read_line
from loadtest.imports.feed import write_feed


def test_lines_of_the_feed_are_accepted(tmp_path: Path) -> None:
    searches = write_feed(tmp_path / "feed.ndjson", 30)
    raws = (tmp_path / "feed.ndjson").read_bytes().splitlines()
    names = [read_line(raw).external_id for raw in raws]
    assert names == [f"b-{number}" for number in range(1, 31)]
    assert searches
    assert all(len(each.split()) == 2 for each in searches)
