"""Workers keep no more memory in caches than is counted against the container's, whatever people write."""

import gc
import time
import tracemalloc
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from app.coherence import FactCache, Kind
from app.coherence.clock import SYSTEM_CLOCK
from app.coherence.facts.shared import SharedFacts
from app.companies.schemas import Company
from app.companies.service import COMPANY_KIND, company_fact
from app.config import CacheTuning
from app.infra.tuning.fitness import FACT_KIB
from app.jobs.facts import JOB_KIND, JobFact
from app.jobs.outcomes import SEARCH_KIND, Hit, Outcome
from app.jobs.results import AlsoAt, Facet, FacetValue
from app.jobs.schemas import Apply, Detail, Place, Posting, Question, Salary
from app.jobs.texts.cleaning import DESCRIPTION_MAX
from app.users.schemas import User
from app.users.service import USER_KIND, user_fact
from tests.counters import Counts
from tests.unit.coherence.model.world import Nowhere

WIDE = "\U0001f600"
"""A character of 4 bytes in UTF-8 and in memory."""
NOW, LATER = datetime(2026, 11, 30, tzinfo=UTC), time.time() + 1e6
CAPACITY = 100
WIDE_PLACES = tuple(Place("DE", WIDE * 100, WIDE * 100, 52.123456, 13.123456) for _ in range(20))
LISTS = Detail(
    employment_type=("full_time",) * 8,
    places=tuple(Place("DE", "a", "b", 52.123456, 13.123456) for _ in range(20)),
    eligible_countries=("DE",) * 250,
    skills=tuple(f"skill{each}" for each in range(50)),
    apply=Apply("internal", None, tuple(Question("a") for _ in range(20))),
)
WIDE_LISTS = Detail(
    places=WIDE_PLACES,
    eligible_countries=("DE",) * 250,
    salary=Salary("EUR", "year", 1.0, 2.0),
    skills=(WIDE * 60,) * 50,
    apply=Apply("internal", None, tuple(Question(WIDE * 300) for _ in range(20))),
)
USUAL = Detail(places=(Place("DE", "Berlin", "Berlin", 52.5, 13.4),), skills=("Python", "Linux", "Go"), language="en")


def posting(description: str, detail: Detail = USUAL) -> bytes:
    made = Posting(1 << 40, 1 << 40, "open", 1, WIDE * 200, description, detail, NOW, NOW, NOW, NOW)
    return JOB_KIND.encode(JobFact(made, LATER))


def company(name: str, description: str) -> bytes:
    made = Company(1 << 40, "a" * 60, name, True, description, "https://" + "a" * 280, "DE", NOW, NOW, 1)
    return COMPANY_KIND.encode(company_fact(made))


def user(email: str, name: str, headline: str) -> bytes:
    return USER_KIND.encode(user_fact(User(1 << 40, email, name, headline, NOW, NOW, 1, NOW)))


def result(also_at: tuple[AlsoAt, ...] = (), facets: int = 0, label: str = "Berlin", number: int = 100) -> bytes:
    values = [FacetValue(f"{label}, DE", label, 7) for _ in range(30)]
    hits = tuple(Hit((1 << 40) + each, 1000, also_at) for each in range(number))
    keys = tuple(f"job:{(1 << 40) + each}" for each in range(number * len(also_at) + 50))
    found = [Facet("city", values, True)] * facets
    return SEARCH_KIND.encode(Outcome(hits, "c" * 300, None, tuple(found), (), NOW, keys, LATER))


JOBS = {
    "an empty one": posting("a", Detail()),
    "a usual one": posting("You care. " * 200),
    "ASCII": posting("a" * DESCRIPTION_MAX),
    "one wide character": posting("a" * (DESCRIPTION_MAX - 1) + WIDE),
    "wide characters": posting(WIDE * DESCRIPTION_MAX, WIDE_LISTS),
    "wide lists": posting("a", WIDE_LISTS),
    "long lists": posting("a", LISTS),
}
COMPANIES = {
    "an empty one": company("a", ""),
    "ASCII": company("Acme GmbH", "a" * 5_000),
    "wide characters": company(WIDE * 120, WIDE * 5_000),
}
USERS = {
    "a usual one": user("ada.lovelace@example.com", "Ada Lovelace", "Analyst of engines"),
    "wide characters": user("a" * 240 + "@example.com", WIDE * 100, WIDE * 200),
}
RESULTS = {
    "100 hits": result(),
    "facets": result(facets=9),
    "wide facets": result(facets=9, label=WIDE * 60),
    "near-duplicates": result((AlsoAt(1 << 40, (Place("DE", "Berlin", "Berlin", 52.5, 13.4),)),) * 5),
    "wide near-duplicates": result((AlsoAt(1 << 40, WIDE_PLACES),) * 3, number=3),
}
CASES = {
    f"{kind.name}: {name}": (kind, data)
    for kind, values in (
        (JOB_KIND, JOBS),
        (COMPANY_KIND, COMPANIES),
        (SEARCH_KIND, RESULTS),
        (USER_KIND, USERS),
    )
    for name, data in values.items()
}


@pytest.mark.parametrize(("kind", "data"), CASES.values(), ids=CASES)
def test_cache_takes_no_more_memory_than_is_counted(kind: Kind[Any], data: bytes) -> None:
    unused: Any = SimpleNamespace(current=None)
    shared = SharedFacts(kind, Nowhere(), SYSTEM_CLOCK.wall_s)
    cache: FactCache[Any] = FactCache(kind, shared, unused, SYSTEM_CLOCK, Counts())  # type: ignore[arg-type]
    cache.apply(CacheTuning(CAPACITY, 3600))
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(CAPACITY):
            cache.put(number, kind.decode(data), 1)
        gc.collect()
        memory = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    counted = CAPACITY * FACT_KIB[kind.name] * 1024
    assert memory <= counted
    assert len(cache) == CAPACITY or memory * (len(cache) + 1) / len(cache) > 0.6 * counted, "the memory is used"
