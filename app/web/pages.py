"""Keyset pagination: a page has at most `limit` entries, and its `next` is the `cursor` of the next page."""

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
        "maximum number of entries on a page",
    ),
    Parameter("cursor", "query", ID_SCHEMA, "`next` of the previous page"),
)


def page_asked(req: falcon.Request) -> tuple[int | None, int]:
    """(cursor, limit) of a request; raises BadRequest."""
    limit = number_asked(req, "limit") or PAGE
    if limit > PAGE_MAX:
        raise BadRequest(f"limit must be at most {PAGE_MAX}")
    return number_asked(req, "cursor"), limit


def number_asked(req: falcon.Request, name: str) -> int | None:
    """A number above 0 in the query, None if it is missing; raises BadRequest."""
    given = req.params.get(name)
    number = parse_id(given) if isinstance(given, str) else None
    if given is not None and number is None:
        raise BadRequest(f"{name} must be one whole number above 0")
    return number
