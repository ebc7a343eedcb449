"""Made-up postings look like those of the real world, and are the same for the same number."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from app.jobs.schemas import Posting
from app.jobs.texts.cleaning import cleaned
from app.local.seed.companies import Company
from app.local.seed.postings import Catalogue, Period

NOW = datetime(2030, 1, 1, tzinfo=UTC)
SINCE = NOW - timedelta(days=45)
JOBS = 1_500


def clusters(seed: int, now: datetime = NOW, first: int = 1, last: int = JOBS) -> list[tuple[Company, list[Posting]]]:
    return list(Catalogue(seed, JOBS, Period(now - timedelta(days=45), now, now)).clusters(first, last))


@pytest.fixture(scope="module")
def made() -> list[tuple[Company, list[Posting]]]:
    return clusters(1)


def test_a_posting_is_the_same_for_the_same_number_but_for_its_times(made: list[tuple[Company, list[Posting]]]) -> None:
    def untimed(found: list[tuple[Company, list[Posting]]]) -> list[tuple[Company, Posting]]:
        times = dict.fromkeys(("published_at", "valid_through", "first_seen_at", "content_changed_at"), NOW)
        return [(company, msgspec.structs.replace(each, **times)) for company, several in found for each in several]

    later = untimed(clusters(1, NOW + timedelta(days=3), 1001, JOBS))
    assert later == untimed(made)[1000:]
    assert [posting.title for _, posting in untimed(clusters(2, last=20))] != [each.title for _, each in later[:20]]


def test_descriptions_need_no_cleaning(made: list[tuple[Company, list[Posting]]]) -> None:
    texts = [several[0].description for _, several in made]
    assert [cleaned(text) for text in texts] == texts


def test_postings_are_open_and_in_the_order_of_their_publication(made: list[tuple[Company, list[Posting]]]) -> None:
    published = [each.published_at or NOW for _, several in made for each in several]
    assert published == sorted(published)
    assert SINCE <= published[0] < SINCE + timedelta(days=1)
    assert published[-1] <= NOW
    assert {each.state for _, several in made for each in several} == {"open"}
    assert min(each.valid_through for _, several in made for each in several) > NOW


def test_postings_are_as_skewed_as_real_ones(made: list[tuple[Company, list[Posting]]]) -> None:
    postings = [each for _, several in made for each in several]
    assert len(postings) == JOBS
    by_company = Counter(company.number for company, several in made for _ in several)
    by_city = Counter(place.city for each in postings for place in each.detail.places)
    details = [each.detail for each in postings]
    assert by_company.most_common(1)[0][1] > 2 * JOBS / len(by_company)
    assert by_city.most_common(1)[0][1] > 20
    assert sum(number == 1 for number in by_city.values()) > 100
    assert {each.language for each in details} == {"en", "de", "fr", "es", "it", "nl"}
    assert {each.workplace for each in details} == {"onsite", "hybrid", "remote"}
    assert {each.salary.unit for each in details if each.salary} == {"year", "month", "hour", "day"}
    assert len({each.salary.currency for each in details if each.salary}) > 3
    assert {bool(each.eligible_countries) for each in details if each.workplace == "remote"} == {True, False}
    regions = {(place.country, place.region) for each in postings for place in each.detail.places if place.region}
    assert {("GB", "England"), ("US", "Texas"), ("AT", "Wien")} < regions
    assert 0.02 < sum(len(several) > 1 for _, several in made) / len(made) < 0.1
