"""The OpenAPI 3.1 document, made from the shapes of bodies and the descriptions of responders."""

from collections.abc import Iterable
from typing import Any

import msgspec

from app.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    PreconditionFailed,
    ProductError,
    RateLimited,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
)  # fmt: skip
from app.web.body_limits import largest_body_of
from app.web.converters import shown
from app.web.errors import PROBLEM_TYPE, Problem, Refusal
from app.web.openapi.operations import Operation, operations_of

VERSION = "1.0.0"
_ERRORS: tuple[type[ProductError], ...] = (
    BadRequest, Unauthenticated, Forbidden, NotFound, Conflict, Gone, PreconditionFailed, UnsupportedMediaType,
    Invalid, RateLimited, Unavailable,
)  # fmt: skip
_MEANINGS = {200: "OK", 201: "Created", 202: "Accepted", 204: "Done", 304: "Not modified", 503: "Not available"}
HEADERS = {
    "Accept": "the media types that a body may have",
    "Accept-Encoding": "`identity`, where the body had a content coding",
    "Accept-Patch": "the same as Accept (RFC 5789)",
    "Accept-Post": "the same as Accept",
    "ETag": "names this version, for If-Match and If-None-Match",
    "Location": "where the new resource is",
    "RateLimit": "remaining requests and seconds until reset (draft-ietf-httpapi-ratelimit-headers)",
    "RateLimit-Policy": "the limit and its window",
    "Retry-After": "seconds to wait before a retry",
    "WWW-Authenticate": "how to authenticate (RFC 6750)",
}
_FAILURE_HEADERS = {
    401: ("WWW-Authenticate",),
    415: ("Accept", "Accept-Encoding"),
    429: ("Retry-After", "RateLimit-Policy", "RateLimit"),
    503: ("Retry-After",),
}
_ACCEPTED = {"patch": ("Accept-Patch",), "post": ("Accept-Post",)}
_SOMETIMES = {"Accept", "Accept-Encoding", "Accept-Patch", "Accept-Post"}
_TITLES = {error.status: error.title for error in _ERRORS}
_REFUSALS = {413: "The body is too large", 414: "The URL is too long", 431: "The headers are too large"}


def document(routes: Iterable[tuple[str, Any]], prefix: str = "") -> dict[str, Any]:
    """The OpenAPI document; `routes` are (URL template, resource class), `prefix` is the clients' path prefix."""
    found = [(path, kind, method, op) for path, kind in routes for method, op in operations_of(kind)]
    shapes = [
        shape for _, _, _, op in found for shape in (*op.bodies.values(), *op.answers.values()) if shape is not None
    ]
    _, components = msgspec.json.schema_components(
        [*shapes, Problem, Refusal], ref_template="#/components/schemas/{name}"
    )
    paths: dict[str, dict[str, Any]] = {}
    for path, kind, method, op in found:
        paths.setdefault(shown(path), {})[method] = _operation(kind, method, op)
    return {
        "openapi": "3.1.0",
        "info": {"title": "jobfinder", "version": VERSION, "description": "Accounts, sessions and users."},
        "servers": [{"url": prefix or "/"}],
        "paths": paths,
        "components": {
            "schemas": _portable(components),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _portable(schema: Any) -> Any:
    """The schema as JSON has it, with patterns in its dialect (ECMA 262), where `$` means Python's `\\Z`."""
    if isinstance(schema, dict):
        return {name: _portable(value) for name, value in schema.items()}
    if isinstance(schema, list | tuple):
        return [_portable(value) for value in schema]
    return schema.removesuffix(r"\Z") + "$" if isinstance(schema, str) and schema.endswith(r"\Z") else schema


def _operation(kind: Any, method: str, op: Operation) -> dict[str, Any]:
    described_as: dict[str, Any] = {
        "operationId": f"{method}{kind.__name__}",
        "summary": op.summary,
        "responses": {str(status): _answer(status, shape, op) for status, shape in op.answers.items()}
        | {str(status): _failure(status, method) for status in sorted(_errors(method, op))}
        | {str(status): _refusal(status) for status in _refusals(kind, op)},
    }
    if _authenticated(kind, op):
        described_as["security"] = [{"bearer": []}] + ([{}] if method.upper() in kind.open_to_all else [])
    if op.parameters:
        described_as["parameters"] = [_parameter(each) for each in op.parameters]
    if op.body is not None:
        described_as["requestBody"] = {
            "required": True,
            "description": f"at most {largest_body_of(op)} bytes, without a content coding",
            "content": {media_type: {"schema": _schema(shape)} for media_type, shape in op.bodies.items()},
        }
    return described_as


def _authenticated(kind: Any, op: Operation) -> bool:
    return op.needs_token or not kind.public


def _schema(shape: Any) -> Any:
    (schema,), _ = msgspec.json.schema_components([shape], ref_template="#/components/schemas/{name}")
    return schema


def _answer(status: int, shape: Any, op: Operation) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": _MEANINGS.get(status) or _TITLES[status]}
    if shape is not None:
        answer["content"] = {op.media_type: {"schema": _schema(shape)}}
    return answer | _headers(op.headers.get(status, ()))


def _errors(method: str, op: Operation) -> set[int]:
    """The error statuses; all methods but GET can answer 415: a content coding is refused even without a body."""
    return {*op.errors} if method == "get" else {*op.errors, 415}


def _failure(status: int, method: str) -> dict[str, Any]:
    special = _ACCEPTED.get(method, ()) if status == 415 else ()
    content = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": _TITLES[status], "content": content} | _headers(
        (*_FAILURE_HEADERS.get(status, ()), *special)
    )


def _refusals(kind: Any, op: Operation) -> list[int]:
    """Statuses that the server itself sends if the body, URL or headers are too large."""
    places = {each.place for each in op.parameters}
    headers = "header" in places or _authenticated(kind, op)
    return ([413] if op.body is not None else []) + ([414] if "query" in places else []) + ([431] if headers else [])


def _refusal(status: int) -> dict[str, Any]:
    content = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Refusal"}}}
    return {"description": _REFUSALS[status], "content": content}


def _headers(names: tuple[str, ...]) -> dict[str, Any]:
    described_as = {
        name: {"description": HEADERS[name], "required": name not in _SOMETIMES, "schema": {"type": "string"}}
        for name in names
    }
    return {"headers": described_as} if names else {}


def _parameter(each: Any) -> dict[str, Any]:
    described_as = {"name": each.name, "in": each.place, "required": each.required, "schema": each.schema}
    if each.description:
        described_as["description"] = each.description
    if each.schema.get("type") == "array":
        described_as |= {"style": "form", "explode": each.repeated}
    return described_as
