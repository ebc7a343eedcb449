"""The requests of Zipf's law and of the mix."""

import random
from collections import Counter

import pytest

from loadtest.peers import drawing
from loadtest.peers.drawing import SHARES, Reads, mixed, zipf
from loadtest.peers.sides import OURS, Side

READS = Reads(["/users/1", "/users/2"], ["/batch?ids=1"], ["/jobs/1", "/jobs/2"], ["/jobs?q=a"])


@pytest.fixture
def side(monkeypatch: pytest.MonkeyPatch) -> Side:
    """Without a service; its sessions are numbers."""
    monkeypatch.setattr(drawing, "insert_sessions", lambda _, count: [(each, each) for each in range(count)])
    return Side(OURS, None, ["a", "b", "c"], lambda sessions: [f"session-{each}" for each, _ in sessions])  # type: ignore[arg-type]


def path_of(request: str) -> str:
    return request.split(" ")[1]


def test_zipf_draws_the_second_about_half_as_often_as_the_first() -> None:
    found = Counter(zipf(10_000, 50_000, random.Random(1)))
    assert [each for each, _ in found.most_common(3)] == [0, 1, 2]
    assert found[1] / found[0] == pytest.approx(0.5**drawing.EXPONENT, rel=0.1)


def test_mix_has_the_stated_shares(side: Side) -> None:
    paths = Counter(path_of(each) for each in mixed(side, READS, "", "label", 10_000).sent(10_000))
    assert sum(SHARES.values()) == 10_000
    assert paths["/api/v1/users/me"] == SHARES["own"]
    assert paths["/jobs/1"] + paths["/jobs/2"] == SHARES["page"]
    assert paths["/api/v1/auth/login"] == SHARES["login"]


def test_registrations_and_logouts_of_a_mix_occur_once(side: Side) -> None:
    sent = mixed(side, READS, "", "label", 20_000).sent(20_000)
    once = [each for each in sent if path_of(each) in ("/api/v1/auth/register", "/api/v1/auth/logout")]
    assert len(set(once)) == len(once) == 2 * (SHARES["register"] + SHARES["logout"])


def test_part_of_a_mix_has_no_logout(side: Side) -> None:
    assert len(mixed(side, READS, "", "label", 20).sent(20)) == 20
