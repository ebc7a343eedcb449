"""URL converters (Falcon's `{name:id}`)."""

import re

from falcon.routing import BaseConverter

GREATEST_ID = 2**63 - 1
SOURCE_PATTERN, NAME_PATTERN = "^[a-z0-9][a-z0-9-]{0,39}$", "^[A-Za-z0-9._~:-]{1,100}$"
_SOURCE, _NAME = re.compile(SOURCE_PATTERN), re.compile(NAME_PATTERN)
ID_SCHEMA = {"type": "integer", "format": "int64", "minimum": 1, "maximum": GREATEST_ID}


class IdConverter(BaseConverter):
    """A PostgreSQL bigint above 0 in ASCII digits; any other text does not match the route (404)."""

    def convert(self, value: str) -> int | None:
        return parse_id(value)


class SourceConverter(BaseConverter):
    """The name of a system that postings are imported from."""

    def convert(self, value: str) -> str | None:
        return value if is_source(value) else None


class NameConverter(BaseConverter):
    """The name of a posting in such a system."""

    def convert(self, value: str) -> str | None:
        return value if _NAME.fullmatch(value) else None


def is_source(text: str) -> bool:
    """Whether `text` can name a system that postings are imported from."""
    return _SOURCE.fullmatch(text) is not None


def parse_id(text: str) -> int | None:
    """The id in `text`, or None if it is not a valid id."""
    if not text or not (text.isascii() and text.isdecimal()) or len(text) > 19 or text[0] == "0":
        return None
    number = int(text)
    return number if number <= GREATEST_ID else None


def shown(template: str) -> str:
    """A URL template without the names of converters, for people."""
    return re.sub(r":\w+}", "}", template)
