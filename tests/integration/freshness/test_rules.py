"""The rules of the checker, each on a small record that keeps it and one that breaks it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.integration.freshness.harness.offers import EPOCH, TWINS, Content
from tests.integration.freshness.harness.queries import Query
from tests.integration.freshness.harness.record import FOREVER, Firm, Look, Offer, Page, Record, Timeline, Walk
from tests.integration.freshness.harness.rules import (
    CLOSED,
    MISCOUNTED,
    MISORDERED,
    MISSED,
    RENAMED,
    REPEATED,
    STALE,
    STRANGE,
    UNFIT,
    VERIFIED,
    violations,
)

MS = 10_000_000
FIRM = 7
BASE = Content(TWINS, 1, ("nurse", "pilot"), ("Sales",), ("Paris",), "onsite", (), 30_000, FOREVER // 2**8, EPOCH)
EDITED = replace(BASE, version=2, words=("baker", "pilot"))
NURSES = Query(words=(("nurse",),))
Written = tuple[Content | None, int, int]


class Case:
    """A record to which writes and pages are added; times are in units of 10 ms, ids are the numbers."""

    def __init__(self) -> None:
        self.record = Record(firms=[Firm(FIRM, None, Timeline("Firm"))])

    def wrote(self, *written: Written) -> "Case":
        """The versions of one posting, each with start and end."""
        first = next(content for content, _, _ in written if content is not None)
        offer = self.record.offers[first.number] = Offer(first.number, FIRM)
        offer.id = offer.published_us = first.number
        for content, start, end in written:
            offer.content.begin(content, start * MS).end = FOREVER if end == FOREVER else end * MS
        return self

    def walked(self, *pages: Page, query: Query = NURSES) -> "Case":
        self.record.walks.append(Walk(query, pages))
        return self

    def found(self, staleness_ms: int = 0) -> list[str]:
        """The rules that are broken, without their details."""
        return [each.rule.partition(":")[0] for each in violations(self.record, staleness_ms)]


def item(content: Content, company: str = "Firm", **other: Any) -> dict[str, Any]:
    return {
        "id": content.number,
        "company": {"id": FIRM, "name": company, "verified": False},
        "also_at": [],
        **content.body(),
        **other,
    }


def page(start: int, end: int, *contents: Content, more: bool = False, total: int | None = None) -> Page:
    items = tuple(item(each) for each in contents)
    return Page(start * MS, end * MS, items, "cursor" if more else "", total)


def numbered(number: int) -> Content:
    return replace(BASE, number=number * TWINS)


@pytest.mark.parametrize(
    ("written", "shown", "broken"),
    [
        ([(BASE, 0, 1)], [BASE], []),
        ([(BASE, 0, 1)], [], [MISSED]),
        ([(BASE, 4, 6)], [], []),
        ([(BASE, 4, 6)], [BASE], []),
        ([(BASE, 7, 8)], [BASE], [CLOSED]),
        ([(BASE, 0, FOREVER)], [], []),
        ([(BASE, 0, FOREVER)], [BASE], []),
        ([(BASE, 0, 1), (None, 2, 3)], [BASE], [CLOSED]),
        ([(BASE, 0, 1), (None, 2, 3)], [], []),
        ([(BASE, 0, 1), (None, 2, 5)], [BASE], []),
        ([(BASE, 0, 1), (None, 2, FOREVER)], [BASE], []),
        ([(BASE, 0, 1), (EDITED, 2, 3)], [BASE], [STALE]),
        ([(BASE, 0, 1), (EDITED, 2, 3)], [EDITED], [UNFIT]),
        ([(BASE, 0, 1), (EDITED, 2, 5)], [EDITED], []),
        ([(replace(BASE, until=3 * MS), 0, 1)], [replace(BASE, until=3 * MS)], [CLOSED]),
        ([(replace(BASE, until=5 * MS), 0, 1)], [replace(BASE, until=5 * MS)], []),
        ([(replace(BASE, until=100 * MS), 0, 1)], [], []),
        ([(replace(BASE, until=120 * MS), 0, 1)], [], [MISSED]),
    ],
)
def test_search_shows_what_was_acknowledged(
    written: Sequence[Written], shown: Sequence[Content], broken: list[str]
) -> None:
    """The search takes from 4 to 6."""
    assert Case().wrote(*written).walked(page(4, 6, *shown)).found() == broken


def test_values_of_another_version_are_found() -> None:
    case = Case().wrote((BASE, 0, 1))
    mixed = Page(4 * MS, 6 * MS, (item(BASE, skills=["Python"]),))
    assert case.walked(mixed).found() == [STALE]
    unknown = Page(4 * MS, 6 * MS, (item(numbered(2)),))
    assert Case().walked(unknown).found() == [STRANGE]


def test_former_name_of_a_company_is_found() -> None:
    case = Case().wrote((BASE, 0, 1)).walked(page(4, 6, BASE))
    names = case.record.firms[0].name
    names.begin("New", 2 * MS).end = 5 * MS
    assert case.found() == []
    names.versions[-1].end = 3 * MS
    assert case.found() == [RENAMED]


def test_former_verification_of_a_company_is_found() -> None:
    """The pages show a company that is not verified."""
    of_verified = Query(verified=True)
    case = Case().wrote((BASE, 0, 1)).walked(page(4, 6, BASE))
    verified = case.record.firms[0].verified
    verified.begin(True, 2 * MS).end = 5 * MS
    assert case.walked(page(4, 6, BASE), query=of_verified).found() == []
    verified.versions[-1].end = 3 * MS
    assert case.found() == [VERIFIED, VERIFIED]
    verified.begin(False, int(3.1 * MS)).end = int(3.2 * MS)
    assert case.found() == [UNFIT]


def three() -> Case:
    """Postings 1, 2 and 3, which a search shows in the order 3, 2, 1."""
    case = Case()
    for number in (1, 2, 3):
        case.wrote((numbered(number), 0, 1))
    return case


def test_skipped_and_repeated_results_of_a_walk_are_found() -> None:
    first, second = page(4, 5, numbered(3), numbered(2), more=True), page(6, 7, numbered(1))
    assert three().walked(first, second).found() == []
    assert three().walked(first, page(6, 7)).found() == [MISSED]
    assert three().walked(page(4, 5, numbered(3), more=True), second).found() == [MISSED]
    assert three().walked(first, page(6, 7, numbered(2), numbered(1))).found() == [REPEATED]
    assert three().walked(page(4, 5, numbered(2), numbered(3), numbered(1))).found() == [MISORDERED]


def test_what_changed_between_two_pages_may_be_missed() -> None:
    """A posting that came to match behind the first page is not looked for, one that stayed on the second page is."""
    changing = numbered(2)
    case = Case().wrote((numbered(3), 0, 1)).wrote((numbered(1), 0, 1))
    case.wrote((replace(EDITED, number=2 * TWINS), 0, 1), (replace(changing, version=3), 4, 5))
    assert case.walked(page(2, 3, numbered(3), more=True), page(6, 7, numbered(1))).found() == []
    early = Case().wrote((numbered(3), 0, 1)).wrote((numbered(2), 0, 5)).wrote((numbered(1), 0, 1))
    assert early.walked(page(2, 3, more=True), page(6, 7, numbered(3), numbered(1))).found() == [MISSED]


def test_moved_result_may_be_repeated() -> None:
    dearer = replace(BASE, version=2, salary=60_000)
    case = Case().wrote((BASE, 0, 1), (dearer, 4, 5)).walked(
        page(2, 3, BASE, more=True), page(6, 7, dearer), query=Query(sort="salary")
    )  # fmt: skip
    assert case.found() == []


@pytest.mark.parametrize(("total", "broken"), [(2, [MISCOUNTED]), (3, []), (4, []), (5, [MISCOUNTED])])
def test_impossible_total_is_found(total: int, broken: list[str]) -> None:
    """Three certainly match, and one may."""
    case = three().wrote((numbered(4), 5, 7))
    assert case.walked(page(4, 6, numbered(3), numbered(2), numbered(1), total=total)).found() == broken


def test_read_of_an_open_posting_finds_it() -> None:
    case = Case().wrote((BASE, 0, 1), (None, 5, 6))
    case.record.looks.append(Look(page(2, 3), (TWINS,)))
    assert case.found() == [MISSED]
    case.record.looks[:] = [Look(page(5, 7), (TWINS,)), Look(page(2, 3, BASE), ())]
    assert case.found() == []


@pytest.mark.parametrize(
    ("written", "shown", "broken"),
    [
        ([(BASE, 0, 1), (EDITED, 2, 3)], [EDITED], []),
        ([(BASE, 0, 0), (EDITED, 1, 1)], [EDITED], [UNFIT]),
        ([(BASE, 0, 1), (EDITED, 2, 3)], [BASE], [STALE]),
        ([(BASE, 0, 1), (None, 2, 3)], [BASE], [CLOSED]),
        ([(BASE, 2, 3)], [], []),
        ([(BASE, 0, 1)], [], [MISSED]),
    ],
)
def test_old_results_show_nothing_closed_or_old(
    written: Sequence[Written], shown: Sequence[Content], broken: list[str]
) -> None:
    """A result of the search from 4 to 6 may be 20 ms old, which are two units of time."""
    assert Case().wrote(*written).walked(page(4, 6, *shown)).found(staleness_ms=20) == broken
