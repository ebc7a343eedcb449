"""Reads JSON bodies and forms, and validates JSON so that one response names all invalid fields."""

import difflib
import functools
import itertools
import typing
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import falcon
import msgspec
from msgspec import UNSET, Struct
from msgspec.structs import FieldInfo, fields, replace

from app.errors import FIELDS_MAX, BadRequest, FieldError, Invalid, UnsupportedMediaType

Shape = TypeVar("Shape", bound=Struct)
Parse = Callable[[Any], Any]

JSON, MERGE_PATCH, FORM = "application/json", "application/merge-patch+json", "application/x-www-form-urlencoded"
CONTENT_ENCODING = "HTTP_CONTENT_ENCODING"
_FORM_FIELDS_MAX = 100
_SHOWN_MAX = 100


def read_json(req: falcon.Request, shape: type[Shape]) -> Shape:
    """The JSON body as `shape`; the server limits its size.

    Raises UnsupportedMediaType, MalformedJson or Invalid.
    """
    return read_one_of(req, {JSON: shape})


def read_one_of(req: falcon.Request, shapes: Mapping[str, type[Shape]]) -> Shape:
    """The JSON body as the shape of its media type; raises what `read_json` does."""
    shape = shapes[media_type(req, shapes)]
    return converted(decoded(req.bounded_stream.read()), shape)


def read_form(req: falcon.Request, shape: type[Shape]) -> Shape:
    """An OAuth form as `shape` (RFC 6749, 3.2): empty parameters count as missing, unknown ones are ignored.

    Raises UnsupportedMediaType or BadRequest.
    """
    try:
        media_type(req, [FORM])
        pairs = parse_qsl(req.bounded_stream.read().decode(), errors="strict", max_num_fields=_FORM_FIELDS_MAX)
    except ValueError:
        raise BadRequest("the body is not a form") from None
    known = {each.encode_name for each in fields(shape)}
    pairs = [(name, value) for name, value in pairs if name in known]
    given = dict(pairs)
    if len(given) < len(pairs):
        raise BadRequest("a parameter is given more than once")
    try:
        return msgspec.convert(given, shape)
    except msgspec.ValidationError as error:
        raise BadRequest(str(error)) from None


class MalformedJson(BadRequest):
    """The body is not a JSON object."""

    code, title = "malformed_json", "The body is not a JSON object"


def refuse_coding(req: falcon.Request) -> None:
    """Raise UnsupportedMediaType for a request with a content coding, even with an empty body (RFC 7694, 3)."""
    codings = {each.strip().lower() for each in req.env.get(CONTENT_ENCODING, "").split(",")}
    if codings - {"", "identity"} and req.method not in ("GET", "HEAD", "OPTIONS"):
        raise UnsupportedMediaType("send the body without Content-Encoding", {"Accept-Encoding": "identity"})


def media_type(req: falcon.Request, accepted: Collection[str]) -> str:
    """The body's media type; else raises UnsupportedMediaType with the accepted ones (RFC 9110, 15.5.16; RFC 5789)."""
    given = (req.content_type or "").partition(";")[0].strip().lower()
    if given not in accepted:
        names = ", ".join(accepted)
        special = {"PATCH": "Accept-Patch", "POST": "Accept-Post"}.get(req.method, "Accept")
        raise UnsupportedMediaType(f"send Content-Type: {names}", {"Accept": names, special: names})
    return given


def decoded(data: bytes) -> dict[str, Any]:
    """The JSON object in `data`; raises MalformedJson."""
    given = _decode(data)
    if not isinstance(given, dict):
        raise MalformedJson("a JSON object is expected")
    return given


def _decode(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except UnicodeDecodeError:
        raise MalformedJson("it is not UTF-8") from None
    except RecursionError:
        raise MalformedJson("it is nested too deeply") from None
    except msgspec.DecodeError as error:
        raise MalformedJson(str(error)) from None


def converted(given: dict[str, Any], shape: type[Shape]) -> Shape:
    """`given` as `shape`; raises Invalid, which names the invalid fields."""
    found = _valid(given, shape)
    return _checked(given, shape) if found is None else found


def _valid(given: dict[str, Any], shape: type[Shape]) -> Shape | None:
    """What `_checked` returns for valid fields, in a third of its time; None if it has to tell what is wrong."""
    if any(type(value) is float for value in given.values()):
        return None
    try:
        whole = msgspec.convert(given, shape)
        values = {each.name: getattr(whole, each.name) for each, _ in _fields(shape) if each.encode_name in given}
        for name, parse in _parsers(shape):
            if values.get(name) is not None:
                values[name] = parse(values[name])
    except (msgspec.ValidationError, ValueError):
        return None
    return shape(**values) if len(values) == len(given) else None


def _checked(given: dict[str, Any], shape: type[Shape]) -> Shape:
    problems: list[FieldError] = []
    values: dict[str, Any] = {}
    known = _fields(shape)
    for each, parse in known:
        _convert_field(given, each, parse, values, problems)
    names = {each.encode_name for each, _ in known}
    strange = len(given) - len(names & given.keys())
    if problems or strange:
        count = len(problems) + strange
        unknown = itertools.islice((name for name in given if name not in names), min(strange, FIELDS_MAX))
        shown = [name[:_SHOWN_MAX] for name in unknown]
        problems += [FieldError(name, "unknown", "this field is unknown", _meant(name, names)) for name in shown]
        raise Invalid(problems, count)
    return shape(**values)


@functools.cache
def _fields(shape: type[Struct]) -> list[tuple[FieldInfo, Parse]]:
    """Each field with its parser, from the `Meta(extra={"parse": ...})` of its type; a parser raises ValueError."""
    return [(each, _parser_of(each.type) or _unchanged) for each in fields(shape)]


@functools.cache
def _parsers(shape: type[Struct]) -> list[tuple[str, Parse]]:
    return [(each.name, parse) for each, parse in _fields(shape) if parse is not _unchanged]


def _unchanged(value: Any) -> Any:
    return value


def _parser_of(kind: Any) -> Parse | None:
    """The parser of a type: its own, or that of its list items, of its fields, or of the first part that has one."""
    for meta in getattr(kind, "__metadata__", ()):
        if "parse" in (getattr(meta, "extra", None) or {}):
            parse: Parse = meta.extra["parse"]
            return parse
    if isinstance(kind, type) and issubclass(kind, Struct):
        return _parser_of_shape(kind)
    found = next((parser for part in typing.get_args(kind) if (parser := _parser_of(part)) is not None), None)
    if found is not None and typing.get_origin(kind) in (list, tuple):
        return lambda values: type(values)(found(value) for value in values)
    return found


def _parser_of_shape(kind: type[Struct]) -> Parse | None:
    parsers = {each.name: parser for each in fields(kind) if (parser := _parser_of(each.type)) is not None}
    if not parsers:
        return None

    def parsed(value: Struct) -> Struct:
        given = {name: getattr(value, name) for name in parsers}
        known = {name: item for name, item in given.items() if item is not None and item is not UNSET}
        return replace(value, **{name: parsers[name](item) for name, item in known.items()})

    return parsed


def _convert_field(
    given: dict[str, Any], each: FieldInfo, parse: Parse, values: dict[str, Any],
    problems: list[FieldError],
) -> None:  # fmt: skip
    name = each.encode_name
    if name not in given:
        if each.required:
            problems.append(FieldError(name, "required", "this field is required"))
        return
    try:
        value = msgspec.convert(_whole(given[name]), each.type)
        value = None if value is None else parse(value)
    except (msgspec.ValidationError, ValueError) as error:
        meant = _meant_value(given[name], each.type)
        problems.append(FieldError(name, "invalid", _readable(str(error)), meant))
        return
    values[each.name] = value


def _meant(text: str, known: Collection[str]) -> str | None:
    found = difflib.get_close_matches(text[:_SHOWN_MAX], known, n=1)
    return found[0] if found else None


def _meant_value(value: Any, kind: Any) -> str | None:
    """For the first text in `value` that is no value of `kind`, a type of named values, the one spelled most alike."""
    known = _named_values(kind)
    texts = value if isinstance(value, list) else [value]
    wrong = next((text for text in texts if isinstance(text, str) and text not in known), None)
    return None if wrong is None else _meant(wrong, known)


def _named_values(kind: Any) -> list[str]:
    if typing.get_origin(kind) is typing.Literal:
        return list(typing.get_args(kind))
    return [value for part in typing.get_args(kind) for value in _named_values(part)]


def _whole(value: Any) -> Any:
    """A float such as 3.0 as an integer: JSON does not distinguish the two."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _readable(message: str) -> str:
    """`message` without a regular expression: few readers need it, and it can be very long."""
    return "does not have the expected form" if "matching regex" in message else message
