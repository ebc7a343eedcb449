"""Cached results of searches: ids and counts; the fields of a posting come from its own fact."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from sys import getsizeof

import msgspec

from app.coherence import Kind
from app.jobs.query.parameters import Wanted
from app.jobs.results import AlsoAt, Correction, Facet, Total
from app.jobs.schemas import Place

EARLY_S = 0.1
"""A result ends this long before time makes it wrong, as a cache may look at the clock a lease late."""

_LONG_S = 365 * 86_400.0


class Hit(msgspec.Struct, frozen=True, array_like=True):
    """A matching posting, its distance if the search has a place, and its near-duplicates."""

    id: int
    metres: int | None
    also_at: tuple[AlsoAt, ...]


class Outcome(msgspec.Struct, frozen=True, array_like=True):
    """A page of a search as it was at `as_of`; values of the facet `company` have ids in the place of labels.

    `ends_at` is when time alone may make it wrong, in seconds since 1970 by this machine's clock.
    """

    hits: tuple[Hit, ...]
    next: str | None
    total: Total | None
    facets: tuple[Facet, ...]
    corrections: tuple[Correction, ...]
    as_of: datetime
    keys: tuple[str, ...]
    ends_at: float


def number_of(wanted: Wanted, rates_of: str) -> int:
    """The number under which the caches keep a search: the same for all searches with the same result.

    With descriptions a page may end early. `rates_of` is the day of the exchange rates, by which workers of two
    versions may differ.
    """
    weighed = ("description",) if "description" in wanted.fields else ()
    asked = f"{rates_of} {replace(wanted, fields=weighed)!r}"
    return int.from_bytes(hashlib.blake2b(asked.encode(), digest_size=16).digest())


def page_of(number: int, shown: tuple[str, ...]) -> int:
    """The number under which a worker keeps the finished page of a search with these fields."""
    return int.from_bytes(hashlib.blake2b(f"{number} {shown!r}".encode(), digest_size=16).digest())


def end_after(asked_at: float, left_s: Iterable[float | None]) -> float:
    """`ends_at` of a result whose parts hold for `left_s`, as the database counted them after `asked_at`."""
    return asked_at - EARLY_S + min((each for each in left_s if each is not None), default=_LONG_S)


def _size(outcome: Outcome) -> int:
    """Most results have no near-duplicates, whose places may be many. Encoding adds the UTF-8 of wide texts to them."""
    others = [place for hit in outcome.hits for other in hit.also_at for place in (other, *other.places)]
    texts = [text for facet in outcome.facets for each in facet.values for text in (each.value, each.label)]
    texts += [text for place in others if isinstance(place, Place) for text in (place.region, place.city) if text]
    several = 120 * (len(outcome.hits) + len(outcome.keys)) + 300 * len(others) + 60 * len(texts)
    wide = sum(len(text) for text in texts if not text.isascii())
    return 3_000 + several + sum(map(getsizeof, texts)) + 4 * wide


SEARCH_KIND: Kind[Outcome] = Kind(
    "search",
    Outcome,
    encode=msgspec.msgpack.Encoder().encode,
    decode=msgspec.msgpack.Decoder(Outcome).decode,
    keys=lambda _, outcome: outcome.keys,
    expires_at=lambda outcome: outcome.ends_at + 1.0,  # `FactCache` forgets everything a second before
    size=_size,
)
