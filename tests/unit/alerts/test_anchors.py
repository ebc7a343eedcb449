"""The anchors of a query are the rarest, and never more than a bound, whatever its alternatives and places are."""

from string import ascii_letters

import pytest

from app.alerts.matching.anchors import ANCHORS_MAX, too_many
from app.alerts.matching.branches import branches
from app.alerts.queries import parsed
from app.jobs.query.compiled import compiled
from app.jobs.query.parameters import read
from app.jobs.query.plan import Counts

POLE = "near=85,0&radius_km=60"
"""A circle of 336 cells."""


def of(query: str, **texts: int) -> list[tuple[int, str | None]]:
    """The anchors and words of the branches, where the words are as frequent as `texts` says."""
    wanted = read(parsed(query), "en", ())
    found = branches(compiled(wanted, {}, {}, None), Counts(total=1000, texts=texts))
    return [(branch.anchor, branch.asked) for branch in found]


def test_equal_alternatives_have_the_branches_of_one() -> None:
    assert of("q=nurse+OR+Nurse+OR+nurse") == of("q=nurse")
    assert len(of("q=nurse+OR+welder")) == 2


def test_rare_circle_of_many_cells_is_not_repeated_for_each_alternative() -> None:
    words = [f"w{number}" for number in range(30)]
    alone = of(f"q=w1&{POLE}", w1=1000)
    assert len(alone) == 336
    found = of(f"q={'+OR+'.join(words)}&{POLE}", **dict.fromkeys(words, 1000))
    assert len(found) <= ANCHORS_MAX
    assert {asked for _, asked in found} == {f"(('{word}'))" for word in words}


@pytest.mark.parametrize(
    ("query", "refused"),
    [
        (f"q=nurse+OR+carer+OR+welder&{POLE}", False),
        (f"q=nurse+OR+-night&{POLE}", False),
        (f"q=-night+OR+-night&{POLE}", False),
        (f"q=-day+OR+-night+OR+-dawn&{POLE}", True),
        (f"q=-day+OR+-night&{POLE}&company=1", False),
        ("q=-day+OR+-night&country=DE,FR&city=Oslo", False),
        (f"q={'+OR+'.join(f'-{number}' for number in range(30))}&skill={'&skill='.join(ascii_letters[:20])}", True),
        (f"q=nurse&skill={'&skill='.join(ascii_letters[:50])}", False),
    ],
)
def test_search_with_too_many_anchors_is_refused_and_has_none(query: str, refused: bool) -> None:
    assert too_many(read(parsed(query), "en", ())) == refused
    if "skill" not in query:
        assert bool(of(query)) != refused
