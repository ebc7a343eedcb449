"""Generates the table of values in the chart's README from comments in values.yaml that begin with `# --`."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parent / "jobfinder"
README = CHART / "README.md"
BEGIN, END = "<!-- values -->\n", "<!-- /values -->"
_COMMENT = re.compile(r"^ *# -- (.*)$")
_KEY = re.compile(r"^( *)([A-Za-z]\w*):")
_LONGEST = 60


def generated(readme: str, values: str) -> str:
    """`readme` with a new table."""
    before, _, rest = readme.partition(BEGIN)
    rows = (f"| `{name}` | {default} | {meaning} |\n" for name, default, meaning in documented(values))
    table = "| value | default | meaning |\n|---|---|---|\n" + "".join(rows)
    return before + BEGIN + table + END + rest.partition(END)[2]


def documented(values: str) -> Iterator[tuple[str, str, str]]:
    """(dotted name, default, meaning) of every key with a comment; keys below it are part of its default."""
    defaults = yaml.safe_load(values)
    above: list[tuple[int, str]] = []
    meaning = ""
    for line in values.splitlines():
        if found := _COMMENT.match(line):
            meaning = found[1]
        elif found := _KEY.match(line):
            indent = len(found[1])
            above = [(at, name) for at, name in above if at < indent] + [(indent, found[2])]
            if meaning:
                path = [name for _, name in above]
                yield ".".join(path), _shown(_at(defaults, path)), meaning.replace("|", "\\|")
            meaning = ""


def _at(values: Any, path: list[str]) -> Any:
    for name in path:
        values = values[name]
    return values


def _shown(value: Any) -> str:
    if value in ("", None):
        return ""
    text = value if isinstance(value, str) else json.dumps(value)
    return f"`{text}`" if len(text) <= _LONGEST else "see `values.yaml`"


def main() -> None:
    """Write the table into the README."""
    README.write_text(generated(README.read_text(), (CHART / "values.yaml").read_text()))


if __name__ == "__main__":
    main()
