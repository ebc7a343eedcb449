"""Descriptions: HTML of a few harmless elements, and the text that is in it."""

import html
import re
import unicodedata

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


def cleaned(given: str) -> str:
    """`given` without anything that is not allowed; raises ValueError where nothing to read is left."""
    found = _CLEANER.clean("".join(char for char in given if _storable(char)))
    if not text_of(found).strip():
        raise ValueError("there is nothing to read in it")
    if len(found) > DESCRIPTION_MAX:
        raise ValueError(f"cleaned it has more than {DESCRIPTION_MAX} characters")
    return found


def text_of(description: str) -> str:
    """What people read of it; words of neighbouring elements stay apart."""
    return html.unescape(_TAG.sub(" ", description))


def _storable(char: str) -> bool:
    return char in "\n\r\t" or unicodedata.category(char) not in ("Cc", "Cs")
