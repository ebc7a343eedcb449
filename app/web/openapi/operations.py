"""Descriptions that responders declare; the OpenAPI document is made from them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from app.web.resource import has_tag

METHODS = ("get", "post", "patch", "put", "delete")

Responder = TypeVar("Responder", bound=Callable[..., None])


@dataclass(frozen=True, slots=True)
class Parameter:
    """One path, query or header parameter; `schema` is its JSON schema.

    The values of a list are separated by commas; if they may contain commas, the parameter is `repeated` instead.
    """

    name: str
    place: str
    schema: dict[str, Any]
    description: str
    required: bool = False
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of a resource.

    `answers` maps a status to the shape of its body, None without a body; `headers` maps a status to the headers that
    the response always has. `media_type` is that of responses, `body_type` that of the request body, `body_bytes` its
    greatest size unless the shapes tell it, and `other_bodies` maps further media types to their shapes. `needs_token`
    is for public resources that check the token themselves.

    `keep` says that the server may keep the answers of a GET: "own" for the same token only, "public" for everybody who
    may ask. The answer must then depend on nothing but the target, the headers of `answers_scan.h` that are part of the
    key, the facts that the services use, and settings.
    """

    summary: str
    answers: dict[int, Any]
    body: Any = None
    body_type: str = "application/json"
    body_bytes: int = 0
    other_bodies: Mapping[str, Any] = field(default_factory=dict)
    errors: tuple[int, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    needs_token: bool = False
    media_type: str = "application/json"
    headers: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    keep: Literal["", "own", "public"] = ""

    @property
    def bodies(self) -> dict[str, Any]:
        """Every media type of the body with its shape."""
        return {} if self.body is None else {self.body_type: self.body, **self.other_bodies}


CONDITIONS = (
    Parameter("If-Match", "header", {"type": "string"}, "ETags or `*`; 412 if none of them is current"),
    Parameter("If-None-Match", "header", {"type": "string"}, "ETags or `*`; 304 (412 for a change) if one is current"),
)


def operation(description: Operation) -> Callable[[Responder], Responder]:
    """Attach `description` to a responder."""

    def attach(responder: Responder) -> Responder:
        responder.operation = description  # type: ignore[attr-defined]
        return responder

    return attach


def operations_of(kind: Any) -> list[tuple[str, Operation]]:
    """(method in lower case, description) of each described responder of a resource class."""
    responders = ((method, getattr(kind, f"on_{method}", None)) for method in METHODS)
    found = [(method, each) for method, responder in responders if (each := described(responder)) is not None]
    return [(method, _conditional(each)) for method, each in found] if has_tag(kind) else found


def _conditional(op: Operation) -> Operation:
    return replace(op, parameters=(*op.parameters, *CONDITIONS), errors=(*op.errors, 412))


def described(responder: Any) -> Operation | None:
    """The description of a responder, None if it has none."""
    found = getattr(responder, "operation", None)
    return found if isinstance(found, Operation) else None
