"""Reads environment variables and converts them to the annotated types of settings."""

import types
import typing
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Literal

Network = IPv4Network | IPv6Network


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
    if origin is Literal:
        if text not in args:
            raise ValueError(f"{text!r} is not one of {', '.join(args)}")
        return text
    if origin is tuple:
        item = _network if args[0] is not str else str
        return tuple(item(part.strip()) for part in text.split(",") if part.strip())
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
