"""What a repair is, and how it is applied to an unpacked source distribution."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

C_SOURCE = Path(__file__).with_name("csource")


class RepairError(Exception):
    """A change does not fit the source exactly as often as it should."""


class Change(Protocol):
    """One change below the root of the source distribution."""

    def apply(self, root: Path) -> None:
        """Raises RepairError where the source is not what was expected."""


@dataclass(frozen=True)
class Replace:
    """Replace `old`, which must occur `count` times in the C file."""

    file: str
    old: str
    new: str
    count: int = 1

    def apply(self, root: Path) -> None:
        path = _locate(root, self.file)
        text = path.read_text()
        found = text.count(self.old)
        if found != self.count:
            raise RepairError(f"{self.file}: {found} times instead of {self.count}: {self.old[:80]!r}")
        path.write_text(text.replace(self.old, self.new))


@dataclass(frozen=True)
class Cut:
    """Replace what lies between the one `start` (included) and the first `end` after it (left in place)."""

    file: str
    start: str
    end: str
    new: str = ""

    def apply(self, root: Path) -> None:
        path = _locate(root, self.file)
        text = path.read_text()
        if text.count(self.start) != 1:
            raise RepairError(f"{self.file}: {text.count(self.start)} times instead of 1: {self.start[:80]!r}")
        head, rest = text.split(self.start)
        if self.end not in rest:
            raise RepairError(f"{self.file}: nothing ends with {self.end[:80]!r}")
        path.write_text(head + self.new + rest[rest.index(self.end) :])


@dataclass(frozen=True)
class Add:
    """Put a file of `csource/` beside meinheld's own C files."""

    file: str

    def apply(self, root: Path) -> None:
        path = _locate(root, self.file)
        if path.exists():
            raise RepairError(f"{self.file} is already there")
        path.write_text((C_SOURCE / self.file).read_text())


@dataclass(frozen=True)
class Write:
    """Put `text` in a file, new or not; `file` is below the root."""

    file: str
    text: str

    def apply(self, root: Path) -> None:
        (root / self.file).write_text(self.text)


@dataclass(frozen=True)
class Delete:
    """Leave a file out; `file` is below the root."""

    file: str

    def apply(self, root: Path) -> None:
        path = root / self.file
        if not path.exists():
            raise RepairError(f"{self.file} is not there")
        path.unlink()


@dataclass(frozen=True)
class Repair:
    """One defect of the published version and the changes that mend it."""

    name: str
    defect: str
    source: str
    changes: tuple[Change, ...]


def apply(repairs: tuple[Repair, ...], root: Path) -> None:
    """Apply in order; raises RepairError that names the repair."""
    for repair in repairs:
        try:
            for change in repair.changes:
                change.apply(root)
        except (RepairError, OSError) as error:
            raise RepairError(f"repair {repair.name!r}: {error}") from error


def _locate(root: Path, file: str) -> Path:
    return root / file if file == "setup.py" else root / "meinheld" / "server" / file
