"""Plans of searches: which form is the cheapest, and how far a slice or a sample reaches back."""

import pytest

from app.jobs.query.compiled import Filter, Query
from app.jobs.query.expression import parse
from app.jobs.query.plan import (
    FEW,
    FIRST_SLICES,
    Counts,
    Estimate,
    estimated,
    form_for,
    in_titles,
    periods,
    postings_with,
    sampled_since,
    walks_to,
)

PER_DAY, DAYS = 10_000, 100
COUNTS = Counts(PER_DAY * DAYS, dict.fromkeys(range(1, DAYS + 1), PER_DAY))


def sizes(postings: float, last: int = DAYS) -> list[int]:
    """Postings in each slice but the last."""
    return [(up_to - first + 1) * PER_DAY for first, up_to in periods(COUNTS, last, postings) if first is not None]


@pytest.mark.parametrize(
    ("matches", "form"), [(500_000, "walk"), (3_000, "slices"), (10, "slices"), (0, "slices"), (50_000, "walk")]
)
def test_form_depends_on_the_number_of_matches(matches: float, form: str) -> None:
    assert form_for(Estimate(matches, 2 * matches), COUNTS, 21) == form


def test_few_postings_are_fetched_without_slices() -> None:
    assert form_for(Estimate(3, 3, FEW), COUNTS, 21) == "gin"
    assert form_for(Estimate(3, 3, FEW + 1), COUNTS, 21) == "slices"


def test_most_matches_are_as_many_as_the_rarest_word_or_filter_has() -> None:
    texts, titles = {"nurse": 4_000, "night": 90_000, "day": 70_000}, {"nurse": 900, "night": 10, "day": 30}
    counts = Counts(COUNTS.total, COUNTS.days, {5: 300}, texts, titles)
    words = Query(words=parse("nurse night"), sort="relevance")
    assert estimated(words, counts).most == 4_000
    assert in_titles(words, counts, estimated(words, counts)).most == 10
    either = Query(words=parse("nurse night OR day -night"), sort="relevance")
    assert estimated(either, counts).most == 74_000
    filtered = Query(words=parse("nurse night"), filters=(Filter("skill", (5,)),))
    assert estimated(filtered, counts).most == 300
    assert estimated(Query(words=parse("-night")), counts).most >= COUNTS.total


def test_small_catalogue_is_not_sliced() -> None:
    assert form_for(Estimate(10, 10), Counts(500, {1: 500}), 21) == "gin"


def test_first_slice_has_some_matches_to_spare() -> None:
    estimate = Estimate(5_000, 5_000)
    first, following = sizes(postings_with(21, estimate, COUNTS))
    assert 21 < estimate.matches * first / COUNTS.total < 5 * 21
    assert first < following


def test_slices_are_bounded_where_few_matches_are_expected() -> None:
    assert sizes(postings_with(21, Estimate(3, 3), COUNTS)) == [FIRST_SLICES]


def test_slices_follow_each_other_and_leave_nothing_out() -> None:
    found = periods(COUNTS, DAYS + 1, 30_000)
    assert found[0][1] == DAYS + 1
    assert [first for first, _ in found[:-1]] == [last + 1 for _, last in found[1:]]
    assert found[-1][0] is None


def test_slices_of_a_later_page_begin_where_the_page_before_has_ended() -> None:
    assert periods(COUNTS, 40, 30_000)[0] == (38, 40)


def test_sample_comes_from_as_many_days_as_it_needs() -> None:
    assert sampled_since(Estimate(200_000, 200_000), COUNTS, 2_000) == DAYS - 2
    assert sampled_since(Estimate(5_000, 5_000), COUNTS, 2_000) is None
    assert walks_to(2_000, Estimate(500_000, 500_000), COUNTS)
    assert not walks_to(2_000, Estimate(200_000, 200_000), COUNTS)
