"""Titles and descriptions of made-up work in several languages: own phrases, filled with words and names of Faker."""

import functools
import html
import json
import random
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from faker import Faker

LOCALES = {"en": "en_US", "de": "de_DE", "fr": "fr_FR", "es": "es_ES", "it": "it_IT", "nl": "nl_NL"}
NAMES = 500
"""People that texts of a language name."""

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Occupation:
    """`pay` are euros a year in the middle, `remote` is how much of it is done anywhere."""

    titles: dict[str, str]
    skills: tuple[str, ...]
    pay: int
    remote: float


class Language:
    """Words come as in real texts: the second half as often as the first, and so on (Zipf)."""

    def __init__(self, code: str) -> None:
        self.phrases: dict[str, Any] = json.loads((_FOLDER / "phrases.json").read_text())[code]
        faker = faker_of(code, 0)
        self._words = list(dict.fromkeys(faker.get_words_list()))
        random.Random(code).shuffle(self._words)
        self._weights = list(accumulate((number + 8) ** -0.9 for number in range(len(self._words))))
        self._people = [faker.name() for _ in range(NAMES)]

    def title(self, chance: random.Random, occupation: str, seniority: str | None) -> str:
        """The occupation with what advertisements put around it."""
        title: str = self.phrases["levels"].get(seniority, "{0}").format(occupation)
        if chance.random() < 0.45:
            addition = chance.choice(self.phrases["additions"])
            title += f" {addition}" if addition[0] == "(" else f", {addition}"
        return title

    def description(self, chance: random.Random, named: dict[str, str], skills: tuple[str, ...]) -> str:
        """HTML that need not be cleaned any more; `named` has title, company and city."""
        about, tasks, profile, offer = self.phrases["headings"]
        filled = _Filled(self, chance, named, skills)
        story = " ".join(self.words(chance, min(10 + int(chance.expovariate(1 / 25)), 250)))
        parts = [
            f"<h3>{about}</h3><p>{filled.some('intro', 1)[0]} {html.escape(story.capitalize(), quote=False)}.</p>",
            f"<h3>{tasks}</h3>{_listed(filled.some('tasks', chance.randrange(3, 6)))}",
            f"<h3>{profile}</h3>{_listed(filled.some('profile', chance.randrange(2, 5)))}",
            f"<h3>{offer}</h3>{_listed(filled.some('offer', chance.randrange(2, 4)))}",
            f"<p>{filled.some('closing', 1)[0]} Ref. {chance.randrange(10**7):07d}</p>",
        ]
        return "".join(parts)

    def words(self, chance: random.Random, many: int) -> list[str]:
        return chance.choices(self._words, cum_weights=self._weights, k=many)

    def person(self, chance: random.Random) -> str:
        return chance.choice(self._people)


class _Filled:
    """Phrases with their blanks filled."""

    def __init__(
        self, language: Language, chance: random.Random, named: dict[str, str], skills: tuple[str, ...]
    ) -> None:
        self._language, self._chance, self._named, self._skills = language, chance, named, skills

    def some(self, kind: str, many: int) -> list[str]:
        """Different phrases of a kind."""
        return [self._filled(each) for each in self._chance.sample(self._language.phrases[kind], many)]

    def _filled(self, phrase: str) -> str:
        chance, language = self._chance, self._language
        while "{w}" in phrase:
            phrase = phrase.replace("{w}", language.words(chance, 1)[0], 1)
        while "{skill}" in phrase:
            phrase = phrase.replace("{skill}", chance.choice(self._skills), 1)
        if "{" in phrase:
            phrase = phrase.format(**self._named, person=language.person(chance))
        return html.escape(phrase, quote=False)


def faker_of(code: str, number: int) -> Faker:
    """A source of names of a language, the same ones for the same number."""
    faker = Faker(LOCALES[code], use_weighting=False)
    faker.seed_instance(number)
    return faker


@functools.cache
def language(code: str) -> Language:
    """The one of this process."""
    return Language(code)


@functools.cache
def occupations() -> tuple[Occupation, ...]:
    """The most frequent one first."""
    data = json.loads((_FOLDER / "occupations.json").read_text())
    fields = data["fields"]
    return tuple(
        Occupation(each["titles"], tuple(field["skills"]), field["pay"], field["remote"])
        for each in data["occupations"]
        for field in [fields[each["field"]]]
    )


def _listed(phrases: list[str]) -> str:
    return "<ul>" + "".join(f"<li>{each}</li>" for each in phrases) + "</ul>"
