"""The scenario of the peers when a work fails."""

from pathlib import Path

import pytest

from loadtest.peers.results import Measured, Results, Sample, load
from loadtest.peers.sides import OURS
from loadtest.scenarios import peers


def test_failed_work_becomes_a_row_and_the_others_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "RESULTS", tmp_path / "peers.json")
    profile = Measured("profile", {OURS: [Sample(1.0, 1.0)]})

    def failing() -> Measured:
        raise RuntimeError("Django did not answer every request")

    (row,) = peers._measure([failing, lambda: profile], Results("a machine", True))
    assert row.met is False and "Django did not answer" in row.measured
    assert load(tmp_path / "peers.json").measured[0].sides == profile.sides
