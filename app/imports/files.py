"""Reads files of postings, line by line or element by element, so that a file of any size takes little memory."""

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, BinaryIO
from xml.etree.ElementTree import Element, ParseError

import msgspec
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from app.errors import BadRequest
from app.imports.lines import LINE_MAX
from app.jobs.codes.vocabulary import countries
from app.web.converters import NAME_PATTERN

_NAME = re.compile(NAME_PATTERN)
_TYPES = {
    "fulltime": "full_time", "parttime": "part_time", "contract": "contract", "contractor": "contract",
    "temporary": "temporary", "internship": "internship", "volunteer": "volunteer", "perdiem": "per_diem",
}  # fmt: skip
_TITLE_MAX, _NAME_MAX = 200, 100
_encode = msgspec.json.Encoder().encode


class Truncated(BadRequest):
    """The file ends too early or is not well-formed; what was read before is imported."""

    code, title = "truncated", "The file ends too early or is not well-formed"


def read_file(path: Path) -> Iterator[tuple[int, bytes]]:
    """(position in the file in bytes, line of an import) of each posting; raises Truncated.

    A file whose first visible character is `<` is read as Indeed-style XML (`<source><job>...</job></source>`), any
    other one as NDJSON.
    """
    with path.open("rb") as file:
        start = file.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
        file.seek(0)
        yield from _elements(file) if start == b"<" else _lines(file)


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Of a line that is too long, the beginning."""
    while line := file.readline(LINE_MAX + 2):
        rest = line
        while len(rest) == LINE_MAX + 2 and not rest.endswith(b"\n"):
            rest = file.readline(LINE_MAX + 2)
        yield file.tell(), line


def _elements(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Document types and entities are refused."""
    try:
        events = iterparse(file, events=("start", "end"), forbid_dtd=True)
        _, root = next(events)
        for event, element in events:
            if event == "end" and element.tag == "job":
                yield file.tell(), _encode(posting_of(element))
                root.clear()
    except (ParseError, DefusedXmlException, StopIteration) as error:
        raise Truncated(f"the XML cannot be read: {error or 'it is empty'}") from None


def posting_of(job: Element) -> dict[str, Any]:
    """What an element `job` of Indeed's format says; unknown parts are left out."""
    said = {each.tag: "".join(each.itertext()).strip() for each in job}
    url = said.get("url", "")
    posting = {
        "external_id": _external_id(said.get("referencenumber", "")),
        "title": " ".join(said.get("title", "").split())[:_TITLE_MAX],
        "description": said.get("description", ""),
        "employment_type": _types(said.get("jobtype", "")),
        "workplace": _workplace(said.get("remotetype", "")),
        "places": _places(said),
        "apply": {"kind": "url", "target": url} if url else None,
        "valid_through": _end(said.get("expirationdate", "")),
        "language": said.get("language", "")[:2].lower() or None,
    }
    return {name: value for name, value in posting.items() if value is not None}


def _external_id(reference: str) -> str:
    """The reference itself, or a hash of it if it has characters that a path cannot have."""
    if not reference or _NAME.fullmatch(reference):
        return reference
    return f"x-{hashlib.blake2b(reference.encode(), digest_size=16).hexdigest()}"


def _types(text: str) -> list[str]:
    words = (re.sub(r"[^a-z]", "", part.lower()) for part in text.split(","))
    return list(dict.fromkeys(_TYPES[word] for word in words if word in _TYPES))


def _workplace(text: str) -> str:
    small = text.lower()
    return "hybrid" if "hybrid" in small else "remote" if "remote" in small or "work from home" in small else "onsite"


def _places(said: dict[str, str]) -> list[dict[str, str]]:
    country = said.get("country", "")
    code = country.upper() if len(country) == 2 else _codes().get(country.casefold(), "")
    named = {name: said.get(tag, "")[:_NAME_MAX] for name, tag in (("region", "state"), ("city", "city"))}
    return [{"country": code} | {name: text for name, text in named.items() if text}] if code else []


def _codes() -> dict[str, str]:
    return {name.casefold(): code for code, name in countries().items()}


def _end(text: str) -> str | None:
    """A day lasts until its end; None for what is no date."""
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
        return (day + timedelta(days=1)).isoformat()
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text) if "T" in text else parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).isoformat()
