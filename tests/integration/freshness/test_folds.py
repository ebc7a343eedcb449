"""The rules of near-duplicates, each on a small record that keeps it and one that breaks it; searches take 4 to 6."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.integration.freshness.harness.offers import Content, places_in
from tests.integration.freshness.harness.queries import Query
from tests.integration.freshness.harness.record import FOREVER
from tests.integration.freshness.harness.rules import MISCOUNTED, MISFOLDED, MISSED, UNFIT, UNFOLDED
from tests.integration.freshness.test_rules import BASE, EDITED, MS, NURSES, Case, Written, item, page

LONGER = replace(BASE, number=BASE.number + 1, cities=("Lyon",), ends=BASE.ends + timedelta(days=1))
"""Stands for the other one, as it stays open longer."""

ALL = Query(skill="Sales")


def standing(content: Content, *others: Content) -> dict[str, Any]:
    """A result that names near-duplicates."""
    return item(content, also_at=[{"id": each.number, "places": places_in(each.cities)} for each in others])


def found(first: Sequence[Written], second: Sequence[Written], *shown: dict[str, Any], query: Query = ALL) -> list[str]:
    """The rules that a search for all broke, whose first posting is in Paris and whose second is in Lyon."""
    case = Case().wrote(*first).wrote(*second)
    return case.walked(replace(page(4, 6), items=shown), query=query).found()


@pytest.mark.parametrize(
    ("second", "shown", "broken"),
    [
        ([(LONGER, 0, 1)], [standing(LONGER, BASE)], []),
        ([(LONGER, 0, 1)], [standing(LONGER)], [MISFOLDED]),
        ([(LONGER, 0, 1)], [standing(LONGER, replace(BASE, cities=("Graz",)))], [MISFOLDED]),
        ([(LONGER, 0, 1)], [standing(BASE, LONGER)], [UNFOLDED, UNFIT, MISSED]),
        ([(LONGER, 0, 1)], [standing(LONGER, BASE), standing(BASE)], [UNFOLDED, MISFOLDED, UNFIT]),
        ([(LONGER, 0, 1), (None, 2, 3)], [standing(BASE)], []),
        ([(LONGER, 0, 1), (None, 2, 3)], [standing(BASE, LONGER)], [MISFOLDED]),
        ([(LONGER, 0, 1), (None, 2, 3)], [], [MISSED]),
        ([(LONGER, 0, 1), (None, 2, 5)], [standing(BASE)], []),
        ([(LONGER, 0, 1), (None, 2, 5)], [standing(LONGER, BASE)], []),
        ([(LONGER, 3, FOREVER)], [standing(BASE)], []),
        ([(LONGER, 3, FOREVER)], [standing(LONGER, BASE)], []),
    ],
)
def test_one_posting_stands_for_its_near_duplicates(
    second: Sequence[Written], shown: Sequence[dict[str, Any]], broken: list[str]
) -> None:
    assert found([(BASE, 0, 1)], second, *shown) == broken


def test_posting_that_differs_from_its_cluster_is_shown_by_itself() -> None:
    changed = replace(EDITED, number=LONGER.number, ends=LONGER.ends)
    second = [(LONGER, 0, 1), (changed, 2, 3)]
    assert found([(BASE, 0, 1)], second, standing(changed), standing(BASE)) == []
    assert found([(BASE, 0, 1)], second, standing(changed)) == [MISSED]
    assert found([(BASE, 0, 1)], second, standing(changed, BASE), standing(BASE)) == [MISFOLDED]
    again = [*second, (LONGER, 3, 3)]
    assert found([(BASE, 0, 1)], again, standing(LONGER, BASE)) == []


def test_posting_is_found_where_its_near_duplicates_are() -> None:
    in_paris = Query(words=(("paris",),), near="Paris", radius_km=10, sort="distance")
    both = [(BASE, 0, 1)], [(LONGER, 0, 1)]
    assert found(*both, standing(LONGER, BASE), query=in_paris) == []
    assert found(*both, query=in_paris) == [MISSED]
    closed = [(BASE, 0, 1), (None, 2, 3)]
    assert found(closed, [(LONGER, 0, 1)], standing(LONGER), query=in_paris) == [UNFIT]
    assert found(closed, [(LONGER, 0, 1)], query=in_paris) == []


def test_near_duplicates_of_an_expired_posting_are_found_for_some_time() -> None:
    """The places of what has expired are removed a little later, but it is named no more."""
    expired = replace(BASE, until=3 * MS)
    both = [(expired, 0, 1)], [(LONGER, 0, 1)]
    query = Query(country="FR", near="Paris", radius_km=10)
    assert found(*both, standing(LONGER), query=query) == []
    assert found(*both, standing(LONGER, expired), query=query) == [MISFOLDED]


def test_posting_may_be_left_out_that_ends_soon_after_its_change_is_acknowledged() -> None:
    ending = replace(BASE, until=2020 * MS)
    case = Case().wrote((BASE, 0, 1), (ending, 2000, 2010)).wrote((LONGER, 0, 1), (None, 2, 3))
    assert case.walked(page(2004, 2006), query=ALL).found() == []


def test_of_equal_ends_the_greater_id_is_shown() -> None:
    same = replace(LONGER, ends=BASE.ends)
    assert found([(BASE, 0, 1)], [(same, 0, 1)], standing(same, BASE)) == []
    assert UNFOLDED in found([(BASE, 0, 1)], [(same, 0, 1)], standing(BASE, same))


def test_of_equal_ends_one_whose_creation_was_lost_may_be_shown() -> None:
    """Its id is unknown, and may be the greater one."""
    lost = replace(LONGER, ends=BASE.ends)
    case = Case().wrote((BASE, 0, 1)).wrote((lost, 2, FOREVER))
    case.record.offers[lost.number].id = 0
    assert case.walked(replace(page(4, 6), items=(standing(lost, BASE),)), query=ALL).found() == []


@pytest.mark.parametrize(("total", "broken"), [(0, [MISCOUNTED]), (1, []), (2, [MISCOUNTED])])
def test_near_duplicates_count_as_one(total: int, broken: list[str]) -> None:
    case = Case().wrote((BASE, 0, 1)).wrote((LONGER, 0, 1))
    shown = replace(page(4, 6, total=total), items=(standing(LONGER, BASE),))
    assert case.walked(shown, query=NURSES).found() == broken
