"""Completions of a typed text: words of titles, skills, places and companies with this beginning."""

from functools import lru_cache

import msgspec

from app.errors import FieldError, Invalid
from app.infra.relying import period
from app.jobs.codes.terms import Kind
from app.jobs.query.parameters import TEXT_MAX, listed, unknown_name
from app.jobs.query.suggestions.store import SuggestionStore
from app.jobs.texts.words import folded, spelled

KINDS = ("title", "skill", "company", "place")
SUGGESTED_MAX = 10
KEPT_S = 30
"""A worker keeps completions as long, and so may clients: together no longer than a minute."""

REMEMBERED = 1_000
"""Completions that a worker keeps, some 1 kB each."""


class Suggestion(msgspec.Struct, frozen=True):
    """A completed text and its kind."""

    kind: str
    text: str


class Suggestions(msgspec.Struct, frozen=True):
    """The most frequent completions first, the kinds in turn."""

    suggestions: list[Suggestion]


class SuggestionService:
    """Finds completions; if there are none, corrects the last word and tries again."""

    def __init__(self, suggestions: SuggestionStore) -> None:
        self._store = suggestions
        self._found = lru_cache(REMEMBERED)(self._find)

    def suggest(self, text: str, kinds: tuple[str, ...]) -> Suggestions:
        """At most ten, KEPT_S seconds old at most; `kinds` are some of KINDS."""
        words = spelled(text)
        if not words:
            return Suggestions([])
        find = self._found if sum(map(len, words)) <= TEXT_MAX else self._find  # some characters stand for 18
        return find(tuple(words), kinds, period(KEPT_S))

    def _find(self, spelt: tuple[str, ...], kinds: tuple[str, ...], _period: int) -> Suggestions:
        words = list(spelt)
        found = self._suggested(words, kinds)
        if not found and (corrected := self._store.correction(folded(words[-1]))):
            found = self._suggested([*words[:-1], corrected], kinds)
        ranked = sorted(enumerate(found), key=lambda each: (self._rank(found, each[0]), each[0]))
        return Suggestions([suggestion for _, suggestion in ranked[:SUGGESTED_MAX]])

    def _suggested(self, words: list[str], kinds: tuple[str, ...]) -> list[Suggestion]:
        begun, before = folded(" ".join(words)), "".join(f"{word} " for word in words[:-1])
        lists = {
            "title": lambda: [before + word for word in self._store.words(folded(words[-1]), SUGGESTED_MAX)],
            "skill": lambda: self._store.labels(begun, [Kind.SKILL], SUGGESTED_MAX),
            "place": lambda: self._store.labels(begun, [Kind.CITY, Kind.REGION], SUGGESTED_MAX),
            "company": lambda: self._store.companies(" ".join(words), SUGGESTED_MAX),
        }
        return [Suggestion(kind, found) for kind in kinds for found in lists[kind]()]

    @staticmethod
    def _rank(found: list[Suggestion], number: int) -> int:
        """The place within its own kind."""
        return sum(each.kind == found[number].kind for each in found[:number])


def asked(given: dict[str, list[str]]) -> tuple[str, tuple[str, ...]]:
    """The text and the kinds of a request. Raises Invalid."""
    known = ("q", "kind")
    problems = [unknown_name(name, known) for name in given if name not in known]
    text, kinds = " ".join(given.get("q", [])), tuple(KINDS)
    if not text or len(text) > TEXT_MAX or len(given["q"]) > 1:
        problems.append(FieldError("q", "invalid", f"1 to {TEXT_MAX} characters"))
    if "kind" in given:
        values, wrong = listed("kind", given["kind"], KINDS)
        kinds, problems = tuple(values), problems + wrong
    if problems:
        raise Invalid(problems)
    return text, kinds
