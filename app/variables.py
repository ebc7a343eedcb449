"""Reads environment variables and converts them to the annotated types of settings."""

import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Form:
    """The form of a text, as a pattern and in words."""

    pattern: str
    words: str


_HOST = r"([a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(:[0-9]{1,5})?"  # as browsers spell it
_PART = r"[^\s<>\"{}|\\^`]"

Origin = Annotated[
    str, Form(rf"\*|[a-z][a-z0-9+.-]{{0,30}}://{_HOST}", "neither * nor an origin such as https://app.example")
]
PathPrefix = Annotated[str, Form(r"(/[A-Za-z0-9._~-]+)*", "no path such as /jobs, with no slash at its end")]
PublicUrl = Annotated[str, Form(rf"(https?://{_HOST})?", "no URL such as https://jobs.example, without a path")]
PagesUrl = Annotated[
    str,
    Form(rf"(https?://{_HOST}/{_PART}*\{{id\}}{_PART}*)?", "no URL such as https://jobs.example/jobs/{id}"),
]


def read_variable(source: Mapping[str, str], name: str) -> str | None:
    """The text of the variable, or of the file named by `<name>_FILE`, or None; raises ValueError or OSError."""
    if file := source.get(f"{name}_FILE"):
        if name in source:
            raise ValueError(f"set either {name} or {name}_FILE, not both")
        return Path(file).read_text().strip()
    return source.get(name)


def parse_variable(text: str, kind: Any) -> Any:
    """`text` converted to the annotated type `kind`; raises ValueError with the reason."""
    text = text.strip()
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        form: Form = args[1]
        if not re.fullmatch(form.pattern, text):
            raise ValueError(f"{text!r} is {form.words}")
        return text
    if origin is Literal:
        if text not in args:
            raise ValueError(f"{text!r} is not one of {', '.join(args)}")
        return text
    if origin is tuple:
        parts = [part.strip() for part in text.split(",") if part.strip()]
        return tuple(_network(part) if args[0] == Network else parse_variable(part, args[0]) for part in parts)
    if origin is types.UnionType:
        return Path(text) if text else None
    if kind is bool:
        if text.lower() not in ("true", "false", "1", "0"):
            raise ValueError(f"{text!r} is neither true nor false")
        return text.lower() in ("true", "1")
    number = kind(text)
    if kind in (int, float) and number < 0:
        raise ValueError(f"{text} is negative")
    return number


def _network(text: str) -> Network:
    return ip_network(text, strict=False)
