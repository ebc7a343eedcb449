"""Texts written by people: one rule by Unicode's general categories, as code and as a pattern for OpenAPI."""

import unicodedata

from msgspec import Meta

_REFUSED = frozenset(("Cc", "Cs", "Zl", "Zp"))
# Letters and symbols without a visible glyph: Hangul fillers, the Braille blank, and plane 14 (tags, selectors).
_FILLERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
_PLANE_OF_TAGS = range(0xE0000, 0xF0000)

_CHAR = r"[^\u0000-\u001f\u007f-\u009f\u2028\u2029]"
_VISIBLE = r"[^\p{C}\p{Z}\p{M}\u115f\u1160\u2800\u3164\uffa0]"
_RULE = "no control characters and no line breaks; a letter, digit, mark of punctuation or symbol"
_LINES = r"[^\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029]"


VISIBLE_TEXT = f"^{_CHAR}*{_VISIBLE}{_CHAR}*$"
"""The pattern of a non-empty text that `checked_text` accepts."""


def people_text(least: int, most: int, *examples: str) -> Meta:
    """A single-line text of `least` to `most` characters, checked by `checked_text`."""
    pattern = VISIBLE_TEXT if least else f"^(?:{_CHAR}*{_VISIBLE}{_CHAR}*)?$"
    return Meta(
        min_length=least,
        max_length=most,
        description=_RULE if least else f"empty, or {_RULE}",
        examples=list(examples),
        extra_json_schema={"pattern": pattern},
        extra={"parse": checked_text},
    )


def people_lines(most: int, *examples: str, least: int = 0) -> Meta:
    """A text of several lines and of `least` to `most` characters, checked by `checked_lines`."""
    rule = "no control characters but line feeds; a letter, digit, mark of punctuation or symbol"
    visible = f"{_LINES}*{_VISIBLE}{_LINES}*"
    return Meta(
        min_length=least,
        max_length=most,
        description=rule if least else f"empty, or {rule}",
        examples=list(examples),
        extra_json_schema={"pattern": f"^{visible}$" if least else f"^(?:{visible})?$"},
        extra={"parse": checked_lines},
    )


def checked_lines(text: str) -> str:
    """`text` unchanged; raises ValueError as `checked_text` does, but allows line feeds."""
    checked_text(text.replace("\n", " "))
    return text


def checked_text(text: str) -> str:
    """`text` unchanged; raises ValueError for a control character or line break, or if no character is visible.

    Format characters are allowed because some scripts and emoji need them, but they do not count as visible.
    """
    if text.isascii() and text.isprintable() and text.strip():
        return text
    if refused := next((char for char in text if unicodedata.category(char) in _REFUSED), None):
        raise ValueError(f"the character U+{ord(refused):04X} is not allowed")
    if text and not any(map(_shows, text)):
        raise ValueError("it has no visible character")
    return text


def _shows(char: str) -> bool:
    """Whether a character is visible: a letter, digit, punctuation, symbol, or unknown to this Python (new emoji)."""
    category = unicodedata.category(char)
    seen = category[0] in "LNPS" or category == "Cn"
    return seen and char not in _FILLERS and ord(char) not in _PLANE_OF_TAGS
