"""Tables of the documentation that are made from the code, between `<!-- name -->` and `<!-- /name -->`."""

from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

import msgspec

from app.config import MigrationSettings, PoolerSettings, Settings, Tuning

_UNITS = {"ge": "at least", "le": "at most"}


def pages(root: Path) -> list[Path]:
    """Documents below `root` that may have generated tables."""
    return [root / "README.md", *sorted((root / "docs").glob("*.md"))]


def rewrite(root: Path) -> None:
    """Regenerate the tables of all documents."""
    for path in pages(root):
        path.write_text(generated(path.read_text()))


def generated(text: str) -> str:
    """`text` with up-to-date tables; tables that it has no markers for are left out."""
    parts = {
        "settings": _settings(Settings),
        "pod": _settings(MigrationSettings, PoolerSettings),
        "tuning": _tuning(),
    }
    for name, content in parts.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, found, rest = text.partition(begin)
        if found:
            text = before + begin + content + end + rest.partition(end)[2]
    return text


def _settings(*kinds: type[Any]) -> str:
    documented = documented_settings(*kinds)
    rows = (f"| `{name}` | {_code(default)} | {meaning} |\n" for name, default, meaning in documented)
    return "| variable | default | meaning |\n|---|---|---|\n" + "".join(rows)


def documented_settings(*kinds: type[Any]) -> list[tuple[str, str, str]]:
    """Rows (variable, default, meaning) of a configuration table; what several kinds share stands there once."""
    return list(dict.fromkeys((f.name.upper(), _show(f), f.metadata["doc"]) for kind in kinds for f in fields(kind)))


def _show(each: "Field[Any]") -> str:
    value = each.default
    if value in ("", None, ()) or value is MISSING:
        return ""
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _tuning() -> str:
    rows = (f"| `{name}` | `{default}` | {rest} |\n" for name, default, rest in _fields("", Tuning()))
    return "| setting | default | bounds | meaning |\n|---|---|---|---|\n" + "".join(rows)


def _fields(prefix: str, value: Any) -> Iterator[tuple[str, str, str]]:
    """(dotted name, default, bounds and meaning) of every number and flag within a struct."""
    for each in msgspec.structs.fields(type(value)):
        default = getattr(value, each.name)
        if isinstance(default, msgspec.Struct):
            yield from _fields(f"{prefix}{each.name}.", default)
        else:
            yield (
                f"{prefix}{each.name}",
                msgspec.json.encode(default).decode(),
                f"{_bounds(each.type)} | {_meaning(each.type)}",
            )


def _bounds(kind: Any) -> str:
    metas = getattr(kind, "__metadata__", ())
    found = [f"{word} {getattr(meta, key)}" for meta in metas for key, word in _UNITS.items() if _has(meta, key)]
    return ", ".join(found)


def _meaning(kind: Any) -> str:
    return ", ".join(meta.description for meta in getattr(kind, "__metadata__", ()) if meta.description)


def _has(meta: msgspec.Meta, key: str) -> bool:
    return getattr(meta, key) is not None


def _code(text: str) -> str:
    return f"`{text}`" if text else ""
