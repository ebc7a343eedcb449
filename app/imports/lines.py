"""Lines of an import: which posting each is about, and what it says."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from app.errors import FieldError, Invalid
from app.imports.schemas import JobLine
from app.web.bodies import converted
from app.web.converters import NAME_PATTERN

LINE_MAX = 400_000
"""Bytes of one line, more than the largest posting has."""

HASH_BYTES = 16
_VERSION = b"1"
"""Changed when the same line would make another posting, so that all are written anew."""


class _Named(msgspec.Struct):
    external_id: Any = None


_named = msgspec.json.Decoder(_Named)
_names = re.compile(NAME_PATTERN).fullmatch
_any = msgspec.json.Decoder()


@dataclass(frozen=True, slots=True)
class Line:
    """One line; `external_id` is as it says, and empty if it cannot be read."""

    number: int
    external_id: str
    hash: bytes
    raw: bytes

    @property
    def names(self) -> bool:
        """Whether a posting can have this name; others may have characters that PostgreSQL cannot store."""
        return _names(self.external_id) is not None


def lines_of(raws: Iterable[bytes], first: int = 1) -> Iterator[Line]:
    """Empty lines are left out, and counted."""
    for number, raw in enumerate(raws, first):
        text = raw.strip()
        if text:
            yield Line(number, _external_id(text), hash_of(text), text)


def hash_of(text: bytes) -> bytes:
    """The hash of a line by which its repetition is recognised."""
    return hashlib.blake2b(text, digest_size=HASH_BYTES, person=_VERSION).digest()


def _external_id(text: bytes) -> str:
    try:
        found = _named.decode(text).external_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return found if isinstance(found, str) and 0 < len(found) <= 100 else ""


def read_line(text: bytes) -> JobLine:
    """What a line says; raises Invalid."""
    if len(text) > LINE_MAX:
        raise Invalid([FieldError("", "too_long", f"a line has at most {LINE_MAX} bytes")])
    try:
        given = _any.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid([FieldError("", "malformed_json", f"the line is not JSON: {str(error)[:100]}")]) from None
    if not isinstance(given, dict):
        raise Invalid([FieldError("", "malformed_json", "the line is not a JSON object")])
    return converted(given, JobLine)
