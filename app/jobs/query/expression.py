"""The words of a search: alternatives (OR) of words that must all occur, or must not (-).

The syntax is that of PostgreSQL's websearch_to_tsquery: `OR` binds less than the space between words, `-`
excludes a word, and a "phrase" is searched in the title only. `word*` finds every word with this beginning.
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
    """Words that must all hold."""

    atoms: tuple[Atom, ...]

    @property
    def positive(self) -> tuple[Atom, ...]:
        return tuple(atom for atom in self.atoms if not atom.negative)


Expression = tuple[Alternative, ...]


def parse(text: str) -> Expression:
    """Parse `q`; raises ValueError if it contains no word."""
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
    """Every word once, in its spelling."""
    return list(dict.fromkeys(word for each in expression for atom in each.atoms for word in atom.words))


def without_stop_words(expression: Expression, stems: Stems) -> Expression:
    """Drop stop words of the language, unless an alternative has no other word."""
    return tuple(_telling(each, stems) for each in expression)


def canonical(expression: Expression) -> str:
    """A text that is equal for all spellings of the same expression."""
    return " OR ".join(" ".join(_shown(atom) for atom in each.atoms) for each in expression)


def body_query(alternative: Alternative, stems: Stems) -> str:
    """The tsquery for the texts; empty if there are only phrases."""
    atoms = [atom for atom in alternative.atoms if not atom.phrase]
    return " & ".join(f"!({_all(atom, stems)})" if atom.negative else _all(atom, stems) for atom in atoms)


def title_query(alternative: Alternative, stems: Stems) -> str:
    """The tsquery for a title with every word; empty if words are only excluded."""
    return " & ".join(_phrase(atom, stems) if atom.phrase else _all(atom, stems) for atom in alternative.positive)


def phrase_query(alternative: Alternative, stems: Stems) -> str:
    """The tsquery for the phrases, which only titles match; empty if there are none."""
    atoms = [atom for atom in alternative.atoms if atom.phrase]
    return " & ".join(f"!({_phrase(atom, stems)})" if atom.negative else _phrase(atom, stems) for atom in atoms)


def choices(atom: Atom, stems: Stems) -> list[list[str]]:
    """For each word of an atom, the lexemes of which one must occur."""
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
