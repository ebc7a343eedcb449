"""The searches of `make bench-search` are ones that the service accepts."""

import random

import msgspec
import pytest

from app.jobs.query.parameters import read
from app.jobs.schemas import FIELDS, Detail, Place
from loadtest.search.costs import WALKED
from loadtest.search.queries import Given, Queries, source_of
from loadtest.search.store import Sampled

WORDS = ("team", "care", "nurse", "night", "clinic", "patients")
DETAIL = Detail(
    ("full_time",), "remote", "senior", (Place("DE", None, "Berlin", 52.5, 13.4),), skills=("Wine",), language="en"
)
KNOWN = dict.fromkeys(WORDS, 0.1) | {"rare": 0.0001}


def queries(seed: int = 1) -> Queries:
    said = msgspec.json.decode(msgspec.json.encode(DETAIL))
    posting = Sampled(1, "Nurse rare night", f"<p>{' '.join(WORDS)}</p>", said)
    return Queries([source_of(posting, KNOWN)], random.Random(seed))


@pytest.mark.parametrize("given", [*WALKED, *(draw() for draw in queries().kinds.values())])
def test_every_kind_is_accepted(given: Given) -> None:
    read(given, "en", FIELDS)


def test_whatever_is_drawn_is_accepted() -> None:
    drawn = [queries(seed).any() for seed in range(300)]
    for given in drawn:
        read(given, "en", FIELDS)
    assert len({name for given in drawn for name in given}) > 15


def test_words_are_neither_rare_nor_invented() -> None:
    searches = [queries(seed).words(2)["q"][0].split() for seed in range(50)]
    assert {word for words in searches for word in words} == set(WORDS)
