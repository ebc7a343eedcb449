"""Pages of lists by keyset: a page has at most `limit` entries, and its `next` is the `cursor` of the one after it."""

import falcon

from app.errors import BadRequest
from app.web.converters import ID_SCHEMA, parse_id
from app.web.openapi.operations import Parameter

PAGE, PAGE_MAX = 20, 100
PAGING = (
    Parameter(
        "limit",
        "query",
        {"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE},
        "at most so many on a page",
    ),
    Parameter("cursor", "query", ID_SCHEMA, "`next` of the page before"),
)


def page_asked(req: falcon.Request) -> tuple[int | None, int]:
    """(cursor, limit) of a request; raises BadRequest."""
    limit = number_asked(req, "limit") or PAGE
    if limit > PAGE_MAX:
        raise BadRequest(f"limit must be at most {PAGE_MAX}")
    return number_asked(req, "cursor"), limit


def number_asked(req: falcon.Request, name: str) -> int | None:
    """A number from 1 on in the query, None where it is left out; raises BadRequest."""
    given = req.params.get(name)
    number = parse_id(given) if isinstance(given, str) else None
    if given is not None and number is None:
        raise BadRequest(f"{name} must be one whole number from 1 on")
    return number
