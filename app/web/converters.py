"""URL converters (Falcon's `{name:id}`)."""

import re

from falcon.routing import BaseConverter

GREATEST_ID = 2**63 - 1
ID_SCHEMA = {"type": "integer", "format": "int64", "minimum": 1, "maximum": GREATEST_ID}


class IdConverter(BaseConverter):
    """A PostgreSQL bigint above 0 in plain digits; anything else is no resource of ours (404)."""

    def convert(self, value: str) -> int | None:
        return parse_id(value)


def parse_id(text: str) -> int | None:
    """The id that `text` spells, None where it spells none."""
    if not text or not (text.isascii() and text.isdecimal()) or len(text) > 19 or text[0] == "0":
        return None
    number = int(text)
    return number if number <= GREATEST_ID else None


def shown(template: str) -> str:
    """A URL template as people read it, without the names of converters."""
    return re.sub(r":\w+}", "}", template)
