"""The words of a text as searches compare them: in small letters without accents, and their stems."""

import functools
import re
import unicodedata
from collections.abc import Mapping, Sequence
from itertools import chain

BODY_LEXEMES_MAX = 500
WORD_MAX = 60
FOLDED = 8_192
"""Words of which it is remembered how they are folded, some 1 MB; most of a text are frequent ones."""

Stems = Mapping[str, tuple[str, ...]]
"""Stems by spelled word; empty for a stop word."""

_WORD = re.compile(r"[^\W_]+(?:\+\+|#)?")
_UNDECOMPOSED = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ħ": "h", "\u0131": "i", "ŋ": "n"}
)


def spelled(text: str) -> list[str]:
    """Every word in its order, in small letters, with its accents; `c++` and `c#` are words."""
    return [word[:WORD_MAX] for word in _WORD.findall(unicodedata.normalize("NFKC", text).lower())]


def folded(text: str) -> str:
    """Small letters without accents."""
    return _kept(text) if len(text) <= WORD_MAX else _folded(text)


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in parts if not unicodedata.combining(char)).translate(_UNDECOMPOSED)


_kept = functools.lru_cache(FOLDED)(_folded)


def lexemes(word: str, stems: Stems) -> list[str]:
    """The lexemes of a word: itself first, then its stems, all folded."""
    itself, found = folded(word), stems.get(word)
    if not found:
        return [itself]
    return list(dict.fromkeys([itself, *map(folded, found)]))


def title_vector(words: Sequence[str], stems: Stems) -> str:
    """The text of a tsvector with positions, in which the words themselves have the weight A."""
    found: dict[str, list[str]] = {}
    for position, word in enumerate(words, 1):
        itself, *others = lexemes(word, stems)
        found.setdefault(itself, []).append(f"{position}A")
        for other in others:
            found.setdefault(other, []).append(str(position))
    return " ".join(f"{quoted(lexeme)}:{','.join(at)}" for lexeme, at in found.items())


class TextLexemes(dict[str, tuple[str, ...]]):
    """The lexemes of words in a text, each computed once: none for a stop word."""

    def __init__(self, stems: Stems) -> None:
        super().__init__()
        self.stems = stems

    def __missing__(self, word: str) -> tuple[str, ...]:
        found = () if self.stems.get(word) == () else tuple(lexemes(word, self.stems))
        self[word] = found
        return found


def body_lexemes(title: Sequence[str], words: Sequence[str], known: TextLexemes) -> list[str]:
    """Every lexeme of a posting: all of its title, then of its text without stop words, as many as there is room."""
    of_title = [lexeme for word in title for lexeme in lexemes(word, known.stems)]
    every = dict.fromkeys(chain(of_title, chain.from_iterable(map(known.__getitem__, words))))
    if len(every) <= BODY_LEXEMES_MAX:
        return list(every)
    found = dict.fromkeys(of_title)
    for word in words:
        if len(found) >= BODY_LEXEMES_MAX:
            break
        found |= dict.fromkeys(known[word])
    return list(found)


def quoted(lexeme: str) -> str:
    """A lexeme in the text form of tsvector and tsquery."""
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"


def all_quoted(found: Sequence[str]) -> str:
    """Lexemes as the text form of a tsvector without positions."""
    text = "' '".join(found)
    if "\\" in text or text.count("'") != 2 * (len(found) - 1):
        return " ".join(map(quoted, found))
    return f"'{text}'"
