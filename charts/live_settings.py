"""`python -m charts.live_settings` copies the live settings from `Tuning` into the files that repeat them.

These are parts of the CustomResourceDefinition and of the chart's schema, the numbers for the chart's checks, and the
operator's table of names: the operator never imports the service.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

from msgspec import Meta, Struct
from msgspec.structs import fields

from app.config import Tuning
from app.infra.tuning.fitness import ENTRY_KIB, LEAST_BCRYPT_COST, WORKER_KIB

ROOT = Path(__file__).parents[1]
DEFINITION = ROOT / "operator" / "jobfinder_operator" / "crd.yaml"
NAMES = ROOT / "operator" / "jobfinder_operator" / "live_settings.py"
REFUSALS = ROOT / "charts" / "jobfinder" / "files" / "tuning.json"
VALUES_SCHEMA = ROOT / "charts" / "jobfinder" / "values.schema.json"

OTHERWISE = ("generation", "database")
"""Fields of `Tuning` that the resource does not have, or has in another form."""
_LINE = 120
_TYPES = {int: "integer", bool: "boolean"}

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class LiveSetting:
    """One number or flag of `Tuning`; `least` and `most` are None for a flag."""

    path: str
    """Name in the tuning file: `limits.logins_per_address`."""
    resource_path: str
    """Name below `spec` in the resource: `limits.loginsPerAddress`."""
    default: Any
    least: float | None
    most: float | None


def live_settings() -> tuple[LiveSetting, ...]:
    """All live settings, in the order of `Tuning`."""
    return tuple(each for name, value in _sections() for each in _flat((name,), value))


def resource_name(name: str) -> str:
    """`lease_ms` -> `leaseMilliseconds`: the resource spells units out."""
    return re.sub("_([a-z0-9])", lambda found: found[1].upper(), re.sub("_ms$", "_milliseconds", name))


def files() -> dict[Path, str]:
    """The new text of each file, made from its present text."""
    return {
        DEFINITION: _definition(DEFINITION.read_text()),
        VALUES_SCHEMA: _values_schema(VALUES_SCHEMA.read_text()),
        NAMES: _names(),
        REFUSALS: _refusals(),
    }


def _sections() -> Iterator[tuple[str, Struct]]:
    for each in fields(Tuning):
        if each.name not in OTHERWISE:
            yield each.name, each.default


def _flat(path: tuple[str, ...], value: Struct) -> Iterator[LiveSetting]:
    for each in fields(type(value)):
        inner, default = (*path, each.name), getattr(value, each.name)
        if isinstance(default, Struct):
            yield from _flat(inner, default)
        else:
            _, meta = _kind(each.type)
            resource_path = ".".join(map(resource_name, inner))
            yield LiveSetting(".".join(inner), resource_path, default, meta.ge, meta.le)


def schema_of(kind: type[Struct], renamed: Callable[[str], str]) -> Schema:
    """JSON schema of a section; raises TypeError for a field without a range or description."""
    properties: dict[str, Schema] = {}
    for each in fields(kind):
        struct = isinstance(each.type, type) and issubclass(each.type, Struct)
        properties[renamed(each.name)] = schema_of(each.type, renamed) if struct else _leaf(each.type)
    return {"type": "object", "description": kind.__doc__, "properties": properties}


def _leaf(annotated: Any) -> Schema:
    kind, meta = _kind(annotated)
    text = meta.description or ""
    sentence = f"{text[:1].upper()}{text[1:]}."
    leaf = {"type": _TYPES[kind], "minimum": meta.ge, "maximum": meta.le, "description": sentence}
    return {name: value for name, value in leaf.items() if value is not None}


def _kind(annotated: Any) -> tuple[type, Meta]:
    kind, *metas = get_args(annotated) if get_origin(annotated) else (annotated,)
    meta = metas[0] if len(metas) == 1 else Meta()
    if kind not in _TYPES or not meta.description or (kind is int and None in (meta.ge, meta.le)):
        raise TypeError(f"{annotated} needs a number with a range, or a flag, and a description")
    return kind, meta


def _definition(text: str) -> str:
    sections = {name: schema_of(type(value), resource_name) for name, value in _sections()}
    cache = sections.pop("cache")["properties"]  # the resource has further fields in `cache`
    return _between(_between(text, "cache", cache), "sections", sections)


def _between(text: str, mark: str, properties: Mapping[str, Schema]) -> str:
    """`text` with new lines between the comments `<mark>` and `</mark>`."""
    found = re.search(rf"^( *)# <{mark}>.*\n([\s\S]*?)^ *# </{mark}>\n", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"{DEFINITION.name} has no lines between # <{mark}> and # </{mark}>")
    lines = [f"{found[1]}{line}\n" for line in _yaml(properties)]
    return text[: found.start(2)] + "".join(lines) + text[found.end(2) :]


def _yaml(properties: Mapping[str, Schema]) -> Iterator[str]:
    for name, schema in properties.items():
        if "properties" in schema:
            yield f"{name}:"
            yield "  type: object"
            yield f"  description: {_quoted(schema['description'])}"
            yield "  properties:"
            yield from (f"    {line}" for line in _yaml(schema["properties"]))
        else:
            yield f"{name}: {{{', '.join(f'{key}: {_quoted(value)}' for key, value in schema.items())}}}"


def _quoted(value: Any) -> str:
    """The value as a YAML scalar."""
    plain = not isinstance(value, str) or value.isalpha()
    return str(value) if plain else "'" + value.replace("'", "''") + "'"


def _values_schema(text: str) -> str:
    schema = _closed(schema_of(Tuning, lambda name: name))
    made = f'    "tuning": {_json(schema, 4)},\n'
    changed, count = re.subn(r'^    "tuning": \{\n[\s\S]*?^    \},\n', lambda _: made, text, flags=re.MULTILINE)
    if count != 1:
        raise ValueError(f"{VALUES_SCHEMA.name} has {count} definitions of tuning instead of one")
    return changed


def _closed(schema: Schema) -> Schema:
    """The schema without descriptions; it rejects unknown properties."""
    closed = {name: value for name, value in schema.items() if name != "description"}
    if "properties" in closed:
        closed["properties"] = {name: _closed(each) for name, each in closed["properties"].items()}
        closed["additionalProperties"] = False
    return closed


def _json(value: Any, indent: int) -> str:
    """JSON with numbers and short objects on one line, as in the rest of the file."""
    line = json.dumps(value)
    if not isinstance(value, dict) or (len(line) + indent <= _LINE and "properties" not in value):
        return line
    inner = [f'{" " * (indent + 2)}"{name}": {_json(each, indent + 2)}' for name, each in value.items()]
    return "{\n" + ",\n".join(inner) + f"\n{' ' * indent}}}"


def _names() -> str:
    rows = "".join(f'    "{each.resource_path}": "{each.path}",\n' for each in live_settings())
    return f'''"""Live settings as the resource names them, and as the service reads them: made by `make docs`."""

NAMES = {{
{rows}}}
'''


def _refusals() -> str:
    """Numbers with which the chart rejects live settings that a pod would reject."""
    cache = Tuning().cache
    numbers = {
        "bcryptCost": LEAST_BCRYPT_COST,
        "workerKiB": WORKER_KIB,
        "caches": [
            {"name": name, "capacity": getattr(cache, name).capacity, "entryKiB": entry}
            for name, entry in ENTRY_KIB.items()
        ],
        "answersBytes": Tuning().cache.answers_bytes,
    }
    return json.dumps(numbers) + "\n"


def main() -> None:
    """Write the files."""
    for path, text in files().items():
        path.write_text(text)


if __name__ == "__main__":
    main()
