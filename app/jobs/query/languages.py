"""The language of a search that names none."""

import re
from functools import lru_cache

from app.jobs.codes.vocabulary import CONFIGURATIONS

REMEMBERED = 500
"""Headers of which a worker remembers the language."""

_LANGUAGE = re.compile(r"\s*([A-Za-z]{1,8})(?:-[A-Za-z0-9-]+)?\s*(?:;\s*q=([0-9.]{1,5})\s*)?\Z")


@lru_cache(REMEMBERED)
def preferred_language(accepted: str) -> str:
    """The language with stems that has the greatest weight in Accept-Language, else English."""
    weighed: list[tuple[float, int, str]] = []
    for place, part in enumerate(accepted[:500].split(",")):
        found = _LANGUAGE.match(part)
        if found and found[1].lower() in CONFIGURATIONS:
            weighed.append((-_weight(found[2]), place, found[1].lower()))
    best = min(weighed, default=(0.0, 0, "en"))
    return best[2] if best[0] < 0 else "en"


def _weight(text: str | None) -> float:
    try:
        return 1.0 if text is None else float(text)
    except ValueError:
        return 0.0
