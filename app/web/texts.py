"""Texts of people: one rule by Unicode's general categories, as code and as a pattern for the description."""

import unicodedata

from msgspec import Meta

_REFUSED = frozenset(("Cc", "Cs", "Zl", "Zp"))
# Letters and symbols that show nothing: fillers of Hangul, the Braille blank; and the plane of tags and selectors.
_FILLERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
_PLANE_OF_TAGS = range(0xE0000, 0xF0000)

_CHAR = r"[^\u0000-\u001f\u007f-\u009f\u2028\u2029]"
_VISIBLE = r"[^\p{C}\p{Z}\p{M}\u115f\u1160\u2800\u3164\uffa0]"
_RULE = "no control characters and no line breaks; a letter, digit, mark of punctuation or symbol"
_LINES = r"[^\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029]"


VISIBLE_TEXT = f"^{_CHAR}*{_VISIBLE}{_CHAR}*$"
"""The pattern of a text that `checked_text` takes."""


def people_text(least: int, most: int, *examples: str) -> Meta:
    """A text that people write and others read: `least` to `most` characters, checked by `checked_text`."""
    pattern = VISIBLE_TEXT if least else f"^(?:{_CHAR}*{_VISIBLE}{_CHAR}*)?$"
    return Meta(
        min_length=least,
        max_length=most,
        description=_RULE if least else f"empty, or {_RULE}",
        examples=list(examples),
        extra_json_schema={"pattern": pattern},
        extra={"parse": checked_text},
    )


def people_lines(most: int, *examples: str) -> Meta:
    """The same of several lines, which may be empty; `checked_lines` checks it."""
    return Meta(
        max_length=most,
        description="empty, or no control characters but line feeds; a letter, digit, mark of punctuation or symbol",
        examples=list(examples),
        extra_json_schema={"pattern": f"^(?:{_LINES}*{_VISIBLE}{_LINES}*)?$"},
        extra={"parse": checked_lines},
    )


def checked_lines(text: str) -> str:
    """`text` as it is; raises ValueError as `checked_text` does, though not for line feeds."""
    checked_text(text.replace("\n", " "))
    return text


def checked_text(text: str) -> str:
    """`text` as it is; raises ValueError with the first character that is refused, or where there is nothing to see.

    Format characters may pass, as scripts and emoji are written with them; alone they show nothing.
    """
    if refused := next((char for char in text if unicodedata.category(char) in _REFUSED), None):
        raise ValueError(f"U+{ord(refused):04X} has no place in a text")
    if text and not any(map(_shows, text)):
        raise ValueError("there is nothing to see in it")
    return text


def _shows(char: str) -> bool:
    """Letters, digits, punctuation, symbols, and what this Python does not know yet, such as new emoji."""
    category = unicodedata.category(char)
    seen = category[0] in "LNPS" or category == "Cn"
    return seen and char not in _FILLERS and ord(char) not in _PLANE_OF_TAGS
