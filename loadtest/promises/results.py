"""What was promised, what was measured, and the table of both in docs/performance.md."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from loadtest.pages import DOCS, markdown
from loadtest.report import Row, Run

KEPT = DOCS / "promises.json"


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise; `met` is None for a measurement that only explains another one."""

    what: str
    target: str
    measured: str
    met: bool | None = None
    command: str = ""

    @property
    def row(self) -> Row:
        return Row(self.what, self.measured, self.target, self.met)


@dataclass(slots=True)
class Results(Run):
    """All promises."""

    promises: list[Promise] = field(default_factory=list)


def save(results: Results, path: Path = KEPT) -> None:
    """Write them, with a line end at the end."""
    path.write_text(json.dumps(asdict(results), indent=1, ensure_ascii=False) + "\n")


def load(path: Path = KEPT) -> Results:
    """Results as `save` has written them."""
    given = json.loads(path.read_text())
    promises = [Promise(**each) for each in given.pop("promises")]
    return Results(**given, promises=promises)


def with_command(promises: Sequence[Promise], command: str) -> list[Promise]:
    """The same promises, each with the command that measures it again."""
    return [Promise(each.what, each.target, each.measured, each.met, command) for each in promises]


def table(results: Results) -> str:
    """The part of docs/performance.md."""
    verdicts = {True: "yes", False: "**no**", None: ""}
    rows = [
        [each.what, each.target, each.measured, verdicts[each.met], f"`{each.command}`"] for each in results.promises
    ]
    length = "a short run (`QUICK=1`)" if results.quick else "a full run"
    loads = " before and ".join(f"{each:g}" for each in results.load_averages)
    where = "; ".join(results.machine.split("\n"))
    return f"From {length} of `make bench-promises`; load average {loads} after it. {where}.\n\n" + markdown(
        ["promised", "target", "measured", "met", "command"], rows
    )
