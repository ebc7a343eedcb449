"""Searches of several kinds, drawn from what postings of the catalogue say, so that most of them find something."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.jobs.texts.cleaning import text_of
from app.jobs.texts.words import folded, spelled
from loadtest.search.store import Sampled, frequencies, sampled

SAMPLED = 3_000
COMMON = (0.05, 0.35)
ORDINARY = (0.005, 0.35)
"""The least and the greatest share of postings whose text has a word."""

Given = dict[str, list[str]]
"""Parameters of a search, as they stand in a URL."""


@dataclass(frozen=True, slots=True)
class Source:
    """A posting, and which of its words are how frequent."""

    posting: Sampled
    words: list[str]
    common: list[str]

    @property
    def detail(self) -> dict[str, Any]:
        return self.posting.detail


class Queries:
    """Draws searches; `chance` decides which."""

    def __init__(self, sources: Sequence[Source], chance: random.Random) -> None:
        self._sources, self._chance = sources, chance
        self.kinds: dict[str, Callable[[], Given]] = {
            "one common word": lambda: self.words(1),
            "two words": lambda: self.words(2),
            "three words": lambda: self.words(3),
            "filters only": lambda: self.filters(self._chance.choice((1, 2, 3))),
            "a word within 25 km": self.nearby,
            "two words and three broad filters": self.broad,
            "two words with 6 facets": lambda: self.words(2) | {"facets": [SIX_FACETS]},
        }

    def words(self, many: int) -> Given:
        """Words of one posting, a single one common."""
        source = self._drawn()
        words = self._chance.sample(source.common if many == 1 else source.words, many)
        return {"q": [" ".join(words)], "lang": [source.detail["language"]]}

    def filters(self, many: int) -> Given:
        """What a posting fulfils."""
        offered = self._filters(self._drawn())
        return dict(self._chance.sample(sorted(offered.items()), min(many, len(offered))))

    def nearby(self) -> Given:
        source = self._drawn()
        place = source.detail["places"][0]
        word = self._chance.choice(source.words)
        return {"q": [word], "lang": [source.detail["language"]], "near": [f"{place['lat']},{place['lon']}"]}

    def broad(self) -> Given:
        """Two words of a posting, its type of employment, its workplace and its country."""
        source = self._drawn()
        offered = self._filters(source)
        filters = {name: offered[name] for name in ("employment_type", "workplace", "country")}
        return {"q": [" ".join(self._chance.sample(source.words, 2))], "lang": [source.detail["language"]]} | filters

    def any(self) -> Given:
        """Whatever somebody may ask for, however strange."""
        chance, source = self._chance, self._drawn()
        found: Given = {}
        if chance.random() < 0.75:
            found |= {"q": [self._expression(source)], "lang": [chance.choice([source.detail["language"], "en"])]}
        if chance.random() < 0.5:
            found |= self.filters(chance.choice((1, 1, 2, 3)))
        if chance.random() < 0.15:
            place = source.detail["places"][0]
            found |= {"near": [f"{place['lat']},{place['lon']}"], "radius_km": [str(chance.choice((5, 25, 100, 500)))]}
        for each in self._rarely():
            found |= each if chance.random() < 0.06 else {}
        sorts = ["published", "salary", *(["relevance"] if "q" in found else [])]
        sorts += ["distance"] if "near" in found else []
        return found | ({"sort": [chance.choice(sorts)]} if chance.random() < 0.4 else {})

    def _rarely(self) -> list[Given]:
        chance, source = self._chance, self._drawn()
        return [
            {"eligible_from": [chance.choice(("DE", "US", "FR", "PL"))]},
            {"salary_min": [str(chance.randrange(20_000, 120_000))], "salary_currency": ["EUR"]},
            {"salary_unknown": [chance.choice(("include", "exclude"))]},
            {"posted_within_days": [str(chance.choice((1, 7, 30)))]},
            {"company": [str(source.posting.company_id)]},
            {"company.not": [str(source.posting.company_id)]},
            {"language": [source.detail["language"]]},
            {"verified": ["true"]},
            {"total": ["true"]},
            {"facets": [SIX_FACETS]},
        ]

    def _expression(self, source: Source) -> str:
        chance = self._chance
        words = chance.sample(source.words, chance.choice((1, 1, 2, 2, 3, 4)))
        other = chance.choice(self._drawn().words)
        drawn = chance.random()
        if drawn < 0.1:
            return f"{' '.join(words)} OR {other}"
        if drawn < 0.2:
            return f"{' '.join(words)} -{other}"
        if drawn < 0.3:
            return f'"{" ".join(spelled(source.posting.title)[:2])}" {words[0]}'
        return f"{' '.join(words)} {other[:3]}*" if drawn < 0.4 and len(other) > 3 else " ".join(words)

    def _filters(self, source: Source) -> Given:
        said = source.detail
        offered = {"workplace": [said["workplace"]], "employment_type": said["employment_type"][:1]}
        offered |= {"country": [said["places"][0]["country"]], "city": [said["places"][0]["city"]]}
        offered |= {"seniority": [said["seniority"]]} if said["seniority"] else {}
        return offered | ({"skill": [self._chance.choice(said["skills"])]} if said["skills"] else {})

    def _drawn(self) -> Source:
        return self._chance.choice(self._sources)


SIX_FACETS = "employment_type,workplace,seniority,country,city,skill"


def sources_of(url: str) -> list[Source]:
    """Postings of the catalogue that have some common words."""
    known = frequencies(url)
    return [source for each in sampled(url, SAMPLED) if len((source := source_of(each, known)).common) > 2]


def source_of(posting: Sampled, known: Mapping[str, float]) -> Source:
    """`known` are the shares of postings that have each lexeme."""
    text = dict.fromkeys(spelled(f"{posting.title} {text_of(posting.description)}"))
    shares = {word: known.get(folded(word), 0.0) for word in text if len(word) > 2}
    return Source(posting, _within(shares, *ORDINARY), _within(shares, *COMMON))


def _within(shares: Mapping[str, float], least: float, most: float) -> list[str]:
    return [word for word, share in shares.items() if least <= share <= most]


def told(given: Given) -> str:
    """One line that says what was asked for."""
    return " ".join(f"{name}={','.join(values)}" for name, values in given.items())
