"""The maximum body size of each route: the largest valid body of its shape, or SMALL_BODY without a shape."""

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

from app.web.openapi.operations import Operation, operations_of

SMALL_BODY = 3072
"""Least limit in bytes, and the limit of requests without a known route or body shape."""

_CHARACTER = 12
"""Most bytes of one character in a JSON string: beyond U+FFFF many encoders write two escapes of 6 bytes."""

_SHORT_TEXT = 1000
_CHARACTER_OF_MANY = 6
"""Bytes per character of lists, and of texts beyond _SHORT_TEXT: one escape. No long text is all emoji."""

_AROUND = 32
"""Bytes allowed around the name and value of a field: quotes, colon, comma, white space."""

_PLAIN: dict[type, int] = {BoolType: 5, DateTimeType: 64, FloatType: 32, IntType: 20, NoneType: 4}


def body_limits(routes: Iterable[tuple[str, Any]]) -> Callable[[str, str], int]:
    """`limit(method, path)` in bytes; `routes` are (URL template, resource class)."""
    table = [
        (method.upper(), re.compile(re.sub(r"{.*?}", "[^/]+", path)), largest_body_of(op))
        for path, kind in routes
        for method, op in operations_of(kind)
        if op.body is not None
    ]

    def limit(method: str, path: str) -> int:
        return next((size for taker, form, size in table if taker == method and form.fullmatch(path)), SMALL_BODY)

    return limit


def largest_body_of(op: Operation) -> int:
    """Size in bytes of the largest valid body of a request."""
    return op.body_bytes or largest_body(*op.bodies.values())


def largest_body(*shapes: type[msgspec.Struct]) -> int:
    """Size in bytes of the largest valid body of any of `shapes`; raises TypeError for a field of unlimited size."""
    return max(SMALL_BODY, *(_largest(msgspec.inspect.type_info(shape)) for shape in shapes))


def _largest(kind: Type, character: int = _CHARACTER) -> int:
    """`character` is the number of bytes of a character of a short text."""
    if isinstance(kind, Metadata):
        return _largest(kind.type, character)
    if isinstance(kind, UnionType):
        return max(_largest(each, character) for each in kind.types)
    if isinstance(kind, StructType):
        return _AROUND + sum(
            character * len(f.encode_name) + _AROUND + _largest(f.type, character) for f in kind.fields
        )
    if isinstance(kind, ListType | VarTupleType) and kind.max_length is not None:
        return kind.max_length * (_AROUND + _largest(kind.item_type, _CHARACTER_OF_MANY))
    if isinstance(kind, LiteralType | StrType):
        length = _longest(kind)
        return character * min(length, _SHORT_TEXT) + _CHARACTER_OF_MANY * max(length - _SHORT_TEXT, 0)
    return _plain(kind)


def _longest(kind: LiteralType | StrType) -> int:
    """The greatest number of characters of a text; raises TypeError if it is not limited."""
    if isinstance(kind, LiteralType):
        return max(len(str(value)) for value in kind.values)
    if kind.max_length is None:
        raise TypeError(f"{kind} has no maximum size")
    return kind.max_length


def _plain(kind: Type) -> int:
    if type(kind) not in _PLAIN:
        raise TypeError(f"{kind} has no maximum size")
    return _PLAIN[type(kind)]
