"""Cleans the HTML of descriptions, and extracts its text."""

import html
import re

import nh3

DESCRIPTION_MAX = 50_000
_ELEMENTS = {"p", "br", "ul", "ol", "li", "b", "strong", "i", "em", "h2", "h3", "a"}
_CLEANER = nh3.Cleaner(
    tags=_ELEMENTS,
    attributes={"a": {"href"}},
    url_schemes={"https", "mailto"},
    link_rel="noopener noreferrer nofollow",
    clean_content_tags={"script", "style"},
    url_relative="deny",
)
_TAG = re.compile(r"<[^>]*>")
_UNSTORABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters other than blanks, and halves of a pair of UTF-16 (categories Cc and Cs of Unicode)."""


def cleaned(given: str) -> str:
    """`given` without elements and attributes that are not allowed; raises ValueError if no text is left."""
    found = _CLEANER.clean(_UNSTORABLE.sub("", given))
    if not text_of(found).strip():
        raise ValueError("there is nothing to read in it")
    if len(found) > DESCRIPTION_MAX:
        raise ValueError(f"cleaned it has more than {DESCRIPTION_MAX} characters")
    return found


def text_of(description: str) -> str:
    """The text without markup; a space separates the words of neighbouring elements."""
    return html.unescape(_TAG.sub(" ", description))
