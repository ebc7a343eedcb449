"""The file that is imported: made-up postings as the lines of one company's feed."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from app.jobs.schemas import Posting
from app.jobs.texts.cleaning import text_of
from app.jobs.texts.words import spelled
from app.local.seed.postings import Catalogue, Period

SEED = 11
SEARCHES = 2_000
_WITHOUT = ("source", "external_id")


def write_feed(path: Path, lines: int) -> list[str]:
    """Write a file of so many lines; returns pairs of words of some of the postings."""
    now = datetime.now(UTC)
    catalogue = Catalogue(SEED, lines, Period(now - timedelta(days=30), now, now + timedelta(days=30)))
    searches: dict[str, None] = {}
    with path.open("wb") as file:
        for number, posting in zip(itertools.count(1), _postings(catalogue), strict=False):
            file.write(msgspec.json.encode(_line(number, posting)) + b"\n")
            if len(searches) < SEARCHES and number % max(lines // SEARCHES, 1) == 0:
                words = [word for word in spelled(text_of(posting.description)) if len(word) > 3]
                searches[f"{words[0]} {words[-1]}"] = None
    return list(searches)


def _postings(catalogue: Catalogue) -> Iterator[Posting]:
    for _, members in catalogue.clusters(1, catalogue.jobs):
        yield from members


def _line(number: int, posting: Posting) -> dict[str, Any]:
    detail = msgspec.to_builtins(posting.detail)
    said = {name: value for name, value in detail.items() if name not in _WITHOUT and value is not None}
    return {
        "external_id": f"b-{number}",
        "title": posting.title,
        "description": posting.description,
        "valid_through": posting.valid_through.isoformat(),
        **said,
    }
