"""The table of results, and a description of the machine."""

import functools
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

_PACKAGES = (
    "meinheld", "falcon", "gunicorn", "psycopg2-binary", "graphql-core", "fastapi", "uvicorn", "uvloop", "asyncpg",
    "pydantic", "strawberry-graphql", "django", "djangorestframework",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One line of the table; `met` is None if there is no target."""

    what: str
    measured: str
    target: str = ""
    met: bool | None = None


@dataclass(slots=True)
class Run:
    """A kept run on this machine; `load_averages` are those before and after it, to which the run itself adds."""

    machine: str
    quick: bool
    load_averages: list[float] = field(default_factory=list)

    @classmethod
    def begun(cls, *, quick: bool) -> Self:
        """One without any results yet."""
        run = cls(machine(), quick)
        run.note_load()
        return run

    def note_load(self) -> None:
        self.load_averages.append(round(os.getloadavg()[0], 1))


def table(rows: Iterable[Row]) -> str:
    """The rows in aligned columns."""
    verdicts = {True: "yes", False: "NO", None: ""}
    cells = [("measurement", "result", "target", "met")]
    cells += [(row.what, row.measured, row.target, verdicts[row.met]) for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    lines = ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


@functools.cache
def machine() -> str:
    """Hardware, kernel and package versions, on which the numbers depend, and the load when it was first asked."""
    memory = int(re.findall(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[0]) / 2**20
    load = os.getloadavg()[0]
    return (
        f"{len(os.sched_getaffinity(0))} cores ({_processor()}), {memory:.0f} GiB, Linux {platform.release()}, "
        f"Python {platform.python_version()}, load average {load:.1f} before the start\n"
        f"{', '.join(_versions())}"
    )


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def _versions() -> list[str]:
    installed = {each.metadata["Name"].lower() for each in importlib.metadata.distributions()}
    found = [f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES if name in installed]
    if shutil.which("wrk"):
        said = subprocess.run(["wrk", "--version"], capture_output=True, text=True, check=False).stdout
        found.append(" ".join(said.split()[:2]))
    return found
