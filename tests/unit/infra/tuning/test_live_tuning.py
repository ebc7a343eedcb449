"""Following a tuning file that is edited, broken, swapped and removed."""

import json
from pathlib import Path

import pytest

from app.config import DatabaseTuning, Tuning
from app.infra.tuning.live_tuning import LiveTuning

DEFAULT = Tuning(database=DatabaseTuning(pool_max=20))


def write(path: Path, content: object) -> None:
    """Replace the file by a rename, as an editor does."""
    new = path.with_suffix(".new")
    new.write_text(content if isinstance(content, str) else json.dumps(content))
    new.rename(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write(tmp_path / "tuning.json", {"generation": 1, "cache": {"lease_ms": 10}})
    return tmp_path / "tuning.json"


def test_without_a_file_the_default_holds() -> None:
    tuning = LiveTuning(None, DEFAULT)
    assert (tuning.current, tuning.poll(), tuning.refused) == (DEFAULT, False, 0)


def test_file_is_read_at_start_and_missing_fields_keep_the_default(path: Path) -> None:
    tuning = LiveTuning(path, DEFAULT)
    assert (tuning.generation, tuning.current.cache.lease_ms, tuning.current.database.pool_max) == (1, 10, 20)


def test_an_edit_reaches_every_subscriber_once(path: Path) -> None:
    tuning, seen = LiveTuning(path, DEFAULT), []
    tuning.subscribe(lambda new: seen.append(new.generation))
    write(path, {"generation": 2})
    assert [tuning.poll(), tuning.poll()] == [True, False]
    assert (seen, tuning.generation) == ([2], 2)


def test_failing_subscriber_does_not_stop_the_others(path: Path) -> None:
    tuning, seen = LiveTuning(path, DEFAULT), []

    def fail(new: Tuning) -> None:
        raise RuntimeError(new)

    tuning.subscribe(fail)
    tuning.subscribe(lambda new: seen.append(new.generation))
    write(path, {"generation": 2})
    assert tuning.poll()
    assert seen == [2]


@pytest.mark.parametrize(
    "bad",
    ["", "{", "[]", '{"unknown": 1}', '{"cache": {"lease_ms": 51}}', '{"database": {"pool_min": 30}}', "\udcff"],
)
def test_a_bad_file_is_refused_once_and_the_last_good_one_stays(path: Path, bad: str) -> None:
    tuning = LiveTuning(path, DEFAULT)
    new = path.with_suffix(".new")
    new.write_bytes(bad.encode("utf-8", "surrogateescape"))
    new.rename(path)
    assert [tuning.poll(), tuning.poll()] == [False, False]
    assert (tuning.refused, tuning.generation) == (1, 1)
    write(path, {"generation": 3})
    assert tuning.poll()
    assert (tuning.refused, tuning.generation) == (1, 3)


def test_a_removed_file_is_refused_and_the_last_good_one_stays(path: Path) -> None:
    tuning = LiveTuning(path, DEFAULT)
    path.unlink()
    assert [tuning.poll(), tuning.poll()] == [False, False]
    assert (tuning.refused, tuning.generation) == (1, 1)


def test_file_that_appears_later_is_read(tmp_path: Path) -> None:
    tuning = LiveTuning(tmp_path / "tuning.json", DEFAULT)
    assert (tuning.current, tuning.refused) == (DEFAULT, 0)
    write(tmp_path / "tuning.json", {"generation": 5})
    assert tuning.poll()
    assert tuning.generation == 5


def test_the_swapped_links_of_a_config_map_are_noticed(tmp_path: Path) -> None:
    for generation in (1, 2):
        folder = tmp_path / f"..{generation}"
        folder.mkdir()
        (folder / "tuning.json").write_text(json.dumps({"generation": generation}))
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "tuning.json").symlink_to("..data/tuning.json")
    tuning = LiveTuning(tmp_path / "tuning.json", DEFAULT)
    (tmp_path / "..new").symlink_to("..2")
    (tmp_path / "..new").rename(tmp_path / "..data")
    assert tuning.poll()
    assert tuning.generation == 2
