"""No text of a request body reaches PostgreSQL with a NUL, which it cannot store: each has a rule that refuses it."""

import importlib
import pkgutil
import typing
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

import app
from app.web.bodies import converted
from app.web.openapi.operations import operations_of
from app.web.resource import Resource

HASHED = {"password", "current", "new", "token", "refresh_token"}
"""Passwords and tokens are hashed or parsed, never stored."""

OTHERS = {"query", "variables", "operation_name", "extensions", "apply.target"}
"""The parts of a GraphQL request, whose arguments are checked by themselves, and what `app.jobs.content` checks."""


def kinds_of(kind: type[Any]) -> Iterator[type[Any]]:
    for each in kind.__subclasses__():
        yield each
        yield from kinds_of(each)


def bodies() -> set[type[Any]]:
    for module in pkgutil.walk_packages(app.__path__, "app."):
        if module.name.endswith(".resources"):
            importlib.import_module(module.name)
    ours = [each for each in kinds_of(Resource) if each.__module__.startswith("app.")]
    shapes = {shape for each in ours for _, op in operations_of(each) for shape in op.bodies.values()}
    return {shape for shape in shapes if isinstance(shape, type) and issubclass(shape, Struct)}


def texts_of(kind: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """The path and the type of each text in a shape."""
    if kind is str or (typing.get_origin(kind) is typing.Annotated and kind.__origin__ is str):
        yield ".".join(path), kind
    elif isinstance(kind, type) and issubclass(kind, Struct):
        for name, inner in typing.get_type_hints(kind, include_extras=True).items():
            yield from texts_of(inner, (*path, name))
    else:
        for inner in typing.get_args(kind):
            yield from texts_of(inner, path)


def takes_nul(kind: Any) -> bool:
    shape = msgspec.defstruct("One", [("text", kind)])
    try:
        found: Any = converted({"text": "https://a.example/a\0b"}, shape)
    except app.errors.Invalid:
        return False
    return "\0" in found.text


def test_texts_of_bodies_have_no_nul() -> None:
    found = {(shape.__name__, path, kind) for shape in bodies() for path, kind in texts_of(shape)}
    assert len(found) > 60
    taken = {(shape, path) for shape, path, kind in found if takes_nul(kind)}
    assert {path for _, path in taken} <= HASHED | OTHERS, sorted(taken)
