"""How many bytes the body of each route may have: what its shape can fill, and little where there is no shape."""

import re
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec.inspect import (
    BoolType,
    DateTimeType,
    FloatType,
    IntType,
    ListType,
    LiteralType,
    Metadata,
    NoneType,
    StrType,
    StructType,
    Type,
    UnionType,
    VarTupleType,
)

from app.web.openapi.operations import operations_of

SMALL_BODY = 3072
"""Bytes of a body where nothing is known that would need more: no route, no shape, a short one."""

_CHARACTER = 12
"""Bytes of a character in a JSON string at most: beyond U+FFFF many encoders write two escapes of six."""

_AROUND = 32
"""Bytes that a field may have around its name and value: quotes, a colon, a comma, blanks."""

_PLAIN: dict[type, int] = {BoolType: 5, DateTimeType: 64, FloatType: 32, IntType: 20, NoneType: 4}


def body_limits(routes: Iterable[tuple[str, Any]]) -> Callable[[str, str], int]:
    """`limit(method, path)` in bytes; `routes` are (URL template, resource class)."""
    table = [
        (method.upper(), re.compile(re.sub(r"{.*?}", "[^/]+", path)), largest_body(*op.bodies.values()))
        for path, kind in routes
        for method, op in operations_of(kind)
        if op.body is not None
    ]

    def limit(method: str, path: str) -> int:
        return next((size for taker, form, size in table if taker == method and form.fullmatch(path)), SMALL_BODY)

    return limit


def largest_body(*shapes: type[msgspec.Struct]) -> int:
    """The bytes that a valid body of one of `shapes` can have; raises TypeError for a field without bounds."""
    return max(SMALL_BODY, *(_largest(msgspec.inspect.type_info(shape)) for shape in shapes))


def _largest(kind: Type) -> int:
    if isinstance(kind, Metadata):
        return _largest(kind.type)
    if isinstance(kind, UnionType):
        return max(_largest(each) for each in kind.types)
    if isinstance(kind, StructType):
        return _AROUND + sum(_CHARACTER * len(f.encode_name) + _AROUND + _largest(f.type) for f in kind.fields)
    if isinstance(kind, ListType | VarTupleType) and kind.max_length is not None:
        return kind.max_length * (_AROUND + _largest(kind.item_type))
    return _CHARACTER * _longest(kind) if isinstance(kind, LiteralType | StrType) else _plain(kind)


def _longest(kind: LiteralType | StrType) -> int:
    """Characters of a text."""
    if isinstance(kind, LiteralType):
        return max(len(str(value)) for value in kind.values)
    if kind.max_length is None:
        raise TypeError(f"how many bytes has {kind}?")
    return kind.max_length


def _plain(kind: Type) -> int:
    if type(kind) not in _PLAIN:
        raise TypeError(f"how many bytes has {kind}?")
    return _PLAIN[type(kind)]
