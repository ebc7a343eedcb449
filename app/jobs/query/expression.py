"""The words that are searched for: alternatives (OR) of words that all have to be there, or not (-).

The syntax is that of PostgreSQL's websearch_to_tsquery: `OR` between alternatives binds less than the blank between
words, `-` in front excludes, a "phrase" is looked for in the title only. `word*` finds every word that begins so.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from app.jobs.texts.words import Stems, folded, lexemes, quoted, spelled

LENGTH_MAX = 200
PREFIX_MIN = 2
_PART = re.compile(r'(-?)(?:"([^"]*)"|([^\s"]+))')


@dataclass(frozen=True, slots=True)
class Atom:
    """One word, or the words of a phrase or of a hyphenated word, all as they are spelled."""

    words: tuple[str, ...]
    negative: bool = False
    phrase: bool = False
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class Alternative:
    """What has to be true together."""

    atoms: tuple[Atom, ...]

    @property
    def positive(self) -> tuple[Atom, ...]:
        return tuple(atom for atom in self.atoms if not atom.negative)


Expression = tuple[Alternative, ...]


def parse(text: str) -> Expression:
    """Raises ValueError where there is no word in it."""
    alternatives: list[list[Atom]] = [[]]
    for sign, phrase, plain in _PART.findall(text):
        if plain.upper() == "OR" and not sign:
            alternatives.append([])
        elif (atom := _atom(bool(sign), phrase, plain)) is not None:
            alternatives[-1].append(atom)
    found = tuple(Alternative(tuple(atoms)) for atoms in alternatives if atoms)
    if not found:
        raise ValueError("there is no word in it")
    return found


def words_of(expression: Expression) -> list[str]:
    """Every word, once, as it is spelled."""
    return list(dict.fromkeys(word for each in expression for atom in each.atoms for word in atom.words))


def without_stop_words(expression: Expression, stems: Stems) -> Expression:
    """Leave out single words that say nothing in the language, unless an alternative has nothing else to look for."""
    return tuple(_telling(each, stems) for each in expression)


def canonical(expression: Expression) -> str:
    """The same text for every spelling of the same question."""
    return " OR ".join(" ".join(_shown(atom) for atom in each.atoms) for each in expression)


def body_query(alternative: Alternative, stems: Stems) -> str:
    """The tsquery that the text has to match; empty where only phrases are looked for."""
    atoms = [atom for atom in alternative.atoms if not atom.phrase]
    return " & ".join(f"!({_all(atom, stems)})" if atom.negative else _all(atom, stems) for atom in atoms)


def title_query(alternative: Alternative, stems: Stems) -> str:
    """The tsquery of a title that has every word; empty where nothing but absence is asked for."""
    return " & ".join(_phrase(atom, stems) if atom.phrase else _all(atom, stems) for atom in alternative.positive)


def phrase_query(alternative: Alternative, stems: Stems) -> str:
    """The tsquery of phrases alone, which only titles can match; empty where there is none."""
    atoms = [atom for atom in alternative.atoms if atom.phrase]
    return " & ".join(f"!({_phrase(atom, stems)})" if atom.negative else _phrase(atom, stems) for atom in atoms)


def choices(atom: Atom, stems: Stems) -> list[list[str]]:
    """For each word of an atom the lexemes, one of which has to be there."""
    return [[folded(word)] if atom.prefix else lexemes(word, stems) for word in atom.words]


def _atom(negative: bool, phrase: str, plain: str) -> Atom | None:
    prefix = plain.endswith("*")
    words = tuple(spelled(phrase or plain))
    if not words or (prefix and len(words[-1]) < PREFIX_MIN):
        return None
    return Atom(words, negative, phrase=bool(phrase) and len(words) > 1, prefix=prefix and len(words) == 1)


def _telling(alternative: Alternative, stems: Stems) -> Alternative:
    kept = tuple(atom for atom in alternative.atoms if atom.phrase or atom.prefix or not _stops(atom, stems))
    return Alternative(kept) if any(not atom.negative for atom in kept) else alternative


def _stops(atom: Atom, stems: Stems) -> bool:
    return all(stems.get(word) == () for word in atom.words)


def _all(atom: Atom, stems: Stems) -> str:
    suffix = ":*" if atom.prefix else ""
    return " & ".join(_any(each, suffix) for each in choices(atom, stems))


def _phrase(atom: Atom, stems: Stems) -> str:
    return "(" + " <-> ".join(_any(each) for each in choices(atom, stems)) + ")"


def _any(found: list[str], suffix: str = "") -> str:
    return "(" + " | ".join(quoted(each) + suffix for each in found) + ")"


def _shown(atom: Atom) -> str:
    text = " ".join(atom.words)
    return ("-" if atom.negative else "") + (f'"{text}"' if atom.phrase else text) + ("*" if atom.prefix else "")


def atoms_of(expression: Expression) -> Iterator[Atom]:
    """Every atom of every alternative."""
    for each in expression:
        yield from each.atoms
