"""What a worker remembers of searches and words holds a bounded amount of memory, whatever is asked for."""

import gc
import itertools
import tracemalloc
from collections.abc import Callable, Mapping
from typing import Any
from unittest.mock import MagicMock

import pytest

from app.jobs.codes.salaries import shipped_rates
from app.jobs.codes.vocabulary import countries, languages
from app.jobs.query.cursors import Cursors
from app.jobs.query.suggestions.service import KINDS, SuggestionService
from app.jobs.searches import SearchService
from app.jobs.texts import words

EXPANDED = "\ufdfa"
"""One character that stands for 4 words with 18 characters."""
WIDE = "\U0001f600"
NAMED = ("skill", "skill.all", "region", "city")
COUNTED = ("country", "language", "company", "company.not")
SEVERAL = 20


def _named(number: int, several: int, filler: str) -> dict[str, list[str]]:
    return {name: [f"{number} {each}{filler}" for each in range(several)] for name in NAMED}


def _codes(number: int, several: int) -> dict[str, list[str]]:
    known = (list(countries()), list(languages()), *[[str(number + each) for each in range(50)]] * 2)
    return {name: values[:several] for name, values in zip(COUNTED, known, strict=True)}


SEARCHES: dict[str, Callable[[int], Mapping[str, list[str]]]] = {
    "many long names": lambda number: _named(number, 50, WIDE * 90),
    "some long names": lambda number: _named(number, 2, WIDE * 90),
    "some short names": lambda number: _named(number, 14, "a"),
    "many codes": lambda number: _codes(1000 * number + 1, 50),
    "some codes": lambda number: _codes(1000 * number + 1, 16),
    "many words": lambda number: {"q": [f"{number} " + "a " * 90]},
    "one word for many": lambda number: {"q": [f"{number} {EXPANDED * 190}"]},
    "some words for many": lambda number: {"q": [f"{number} {EXPANDED * 50}"]},
    "many parts": lambda number: {"q": [f"{number} " + f"-a {EXPANDED} " * 30]},
}


def _held(clear: Callable[[], None]) -> int:
    """The bytes that `clear` frees."""
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    clear()
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return before - after


@pytest.mark.parametrize("name", SEARCHES)
def test_a_remembered_search_is_small(name: str) -> None:
    service = SearchService(MagicMock(), Cursors(b"0" * 32), shipped_rates(), MagicMock())
    tracemalloc.start()
    for number in range(SEVERAL):
        service._ask(SEARCHES[name](number), "en")
    remembered = service._asked.cache_info().currsize
    assert remembered == (0 if name.startswith(("many long", "many codes", "one word")) else SEVERAL)
    assert _held(service._asked.cache_clear) <= SEVERAL * 25_000


def test_a_usual_search_is_parsed_once() -> None:
    service = SearchService(MagicMock(), Cursors(b"0" * 32), shipped_rates(), MagicMock())
    given = {"q": ["Köchin OR Koch"], "city": ["München"], "country": ["DE,AT,CH"], "facets": ["company", "skill"]}
    assert service._ask(given, "de") is service._ask(given, "de")


def test_folded_words_are_small() -> None:
    words._kept.cache_clear()
    tracemalloc.start()
    assert words.folded(EXPANDED * 90) == words.folded(EXPANDED) * 90
    for number in range(SEVERAL):
        words.folded(f"{number}{EXPANDED * 95}")
        words.folded(f"{number}{WIDE * 50}")
    assert _held(words._kept.cache_clear) <= SEVERAL * 1_000


@pytest.mark.parametrize("filler", [EXPANDED * 90, "a " * 45], ids=["one word for many", "many words"])
def test_remembered_completions_are_small(filler: str) -> None:
    numbers = itertools.count()
    store: Any = MagicMock()
    store.words.side_effect = lambda begun, most: [f"{begun}{next(numbers)}" for _ in range(most)]
    store.labels.return_value = store.companies.return_value = []
    service = SuggestionService(store)
    tracemalloc.start()
    for number in range(SEVERAL):
        service.suggest(f"{number} {filler}", KINDS)
    assert _held(service._found.cache_clear) <= SEVERAL * 8_000
