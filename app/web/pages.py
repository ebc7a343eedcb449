"""Keyset pagination: a page has at most `limit` entries, and its `next` is the `cursor` of the next page."""

from collections.abc import Iterable

import falcon

from app.errors import BadRequest
from app.web.converters import ID_SCHEMA, parse_id
from app.web.cursors import CURSOR_PATTERN
from app.web.openapi.operations import Parameter

PAGE, PAGE_MAX = 20, 100
CURSOR_MAX = 500
PAGE_BYTES = 4 * 1024 * 1024
"""Texts of postings on one page: while it is made, it needs several times as much memory."""

ALWAYS_FIT = 12
"""Postings that have no more than PAGE_BYTES, however long their texts are."""
_LIMIT = Parameter(
    "limit",
    "query",
    {"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE},
    "maximum number of entries on a page",
)
SEALED_CURSOR = {"type": "string", "pattern": CURSOR_PATTERN, "maxLength": CURSOR_MAX}
PAGING = (_LIMIT, Parameter("cursor", "query", ID_SCHEMA, "`next` of the previous page"))
SEALED_PAGING = (_LIMIT, Parameter("cursor", "query", SEALED_CURSOR, "`next` of the previous page"))


def fitting(sizes: Iterable[int]) -> int:
    """How many entries of these sizes (bytes), from the first, are a page of PAGE_BYTES; at least one if there are any.

    A page that ends so before its limit has a `next`, too.
    """
    count = total = 0
    for size in sizes:
        total += size
        if count and total > PAGE_BYTES:
            break
        count += 1
    return count


def page_asked(req: falcon.Request) -> tuple[int | None, int]:
    """(cursor, limit) of a request; raises BadRequest."""
    return number_asked(req, "cursor"), _limit_asked(req)


def sealed_page_asked(req: falcon.Request) -> tuple[str | None, int]:
    """(cursor, limit) of a request whose cursors are sealed; raises BadRequest."""
    cursor = req.params.get("cursor")
    if cursor is not None and (not isinstance(cursor, str) or len(cursor) > CURSOR_MAX):
        raise BadRequest("cursor must be `next` of the page before")
    return cursor, _limit_asked(req)


def _limit_asked(req: falcon.Request) -> int:
    limit = number_asked(req, "limit") or PAGE
    if limit > PAGE_MAX:
        raise BadRequest(f"limit must be at most {PAGE_MAX}")
    return limit


def number_asked(req: falcon.Request, name: str) -> int | None:
    """A number above 0 in the query, None if it is missing; raises BadRequest."""
    given = req.params.get(name)
    number = parse_id(given) if isinstance(given, str) else None
    if given is not None and number is None:
        raise BadRequest(f"{name} must be one whole number above 0")
    return number
