"""Errors of an answer: product errors with the codes that they have in the REST API."""

import logging
from typing import Any

from graphql import GraphQLError

from app.errors import Invalid, ProductError, RateLimited, Unavailable
from app.graphql.documents import NotValid
from app.graphql.schema import camel

log = logging.getLogger(__name__)
_DETAIL_MAX = 500


def refused(error: ProductError) -> list[dict[str, Any]]:
    """The errors of a request that is not run."""
    if isinstance(error, NotValid):
        return [
            {**_placed(each), "message": each.message[:_DETAIL_MAX], "extensions": {"code": error.code, "status": 400}}
            for each in error.errors
        ]
    return [{"message": error.title, "extensions": _told(error)}]


def failed(error: GraphQLError, request_id: str) -> dict[str, Any]:
    """The error of a field, or of a variable."""
    original = error.original_error
    if isinstance(original, ProductError):
        return {**_placed(error), "message": original.title, "extensions": _told(original)}
    # An argument or variable; what a service returned is a failure, and has no place in the document.
    of_argument = isinstance(original, GraphQLError) and (error.path is None or original.nodes)
    if of_argument or (original is None and error.path is None):
        said = {"code": "bad_value", "status": 422}
        return {**_placed(error), "message": error.message[:_DETAIL_MAX], "extensions": said}
    log.error("unhandled exception", extra={"request_id": request_id}, exc_info=original or error)
    return {**_placed(error), "message": ProductError.title, "extensions": _told(ProductError())}


def _told(error: ProductError) -> dict[str, Any]:
    told: dict[str, Any] = {"code": error.code, "status": error.status}
    if isinstance(error, Invalid):
        told["fields"] = [
            {"field": camel(each.field), "code": each.code, "message": each.message}
            | ({"did_you_mean": each.did_you_mean} if each.did_you_mean else {})
            for each in error.fields
        ]
        told["count"] = error.count
    elif error.detail:
        told["detail"] = error.detail[:_DETAIL_MAX]
    if isinstance(error, RateLimited | Unavailable):
        told["retry_after"] = error.resets_in if isinstance(error, RateLimited) else error.retry_after
    return told


def _placed(error: GraphQLError) -> dict[str, Any]:
    placed: dict[str, Any] = {}
    if error.path is not None:
        placed["path"] = list(error.path)
    if error.locations:
        placed["locations"] = [{"line": each.line, "column": each.column} for each in error.locations[:5]]
    return placed
