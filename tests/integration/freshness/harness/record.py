"""The record of a run: what was written when, and what searches and reads have shown; times are monotonic in ns."""

import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from tests.integration.freshness.harness.offers import Content
from tests.integration.freshness.harness.queries import Query
from tests.pods.connections import Answer

FOREVER = 2**63
NO_WRITES = ("search", "read", "batch", "import", "begin a run", "end a run")
"""Requests that change no posting or company; each line of an import is counted by itself."""

Value = TypeVar("Value")


@dataclass(slots=True, eq=False)
class Version(Generic[Value]):
    """What a write made true: possibly from `start` on, certainly from `end` on, when it was acknowledged."""

    value: Value
    start: int
    end: int = FOREVER


class Timeline(Generic[Value]):
    """Versions of one thing in the order of their writes, which never overlap."""

    def __init__(self, first: Value) -> None:
        self.versions = [Version(first, -1, -1)]

    def begin(self, value: Value, start: int) -> Version[Value]:
        """A write that may take effect from now on; its caller sets `end`."""
        version = Version(value, start)
        self.versions.append(version)
        return version

    def refused(self, version: Version[Value]) -> None:
        """The write had no effect."""
        self.versions.remove(version)

    @property
    def latest(self) -> Value:
        return self.versions[-1].value

    def possible(self, start: int, end: int) -> list[Version[Value]]:
        """What may have been true at some time of the interval."""
        found: list[Version[Value]] = []
        for version in reversed(self.versions):
            if version.start <= end:
                found.append(version)
            if version.end < start:
                break
        return found

    def certain(self, start: int, end: int) -> Version[Value] | None:
        """What was true throughout the interval; None if that is not known."""
        found = self.possible(start, end)
        return found[0] if len(found) == 1 and found[0].end < start else None


class Offer:
    """A posting; None stands for one that is not open. A lost creation leaves `id` unknown.

    `unsure`: a change was not acknowledged, so that its writers do not know whether it is open.
    """

    def __init__(self, number: int, company: int) -> None:
        self.number, self.company = number, company
        self.id = self.published_us = 0
        self.content: Timeline[Content | None] = Timeline(None)
        self.said: Content | None = None
        self.draft = self.unsure = self.taken_down = self.imported = False
        self.busy = threading.Lock()

    @property
    def opened(self) -> bool:
        """Whether its writers think that it is open now."""
        return self.said is not None and self.said.until > time.monotonic_ns()

    @property
    def first(self) -> Content | None:
        """What it said when it was first opened, which its near-duplicates say; None before."""
        return next((version.value for version in self.content.versions if version.value is not None), None)

    @property
    def acknowledged(self) -> bool:
        """Whether its first opening was, so that it is known which cluster it is in."""
        return next((version.end < FOREVER for version in self.content.versions if version.value is not None), False)

    def strayed(self) -> bool:
        """Whether its writers think that it says something else now than at first."""
        return self.said is not None and self.first is not None and self.said.fingerprint != self.first.fingerprint

    def open_at(self, start: int, end: int, early: int) -> Content | None:
        """What it certainly said, open, throughout the interval and until `early` ns after it."""
        version = self.content.certain(start, end)
        return version.value if version and version.value and version.value.until > end + early else None

    def versions_at(self, start: int, end: int) -> list[Content]:
        """What it may have said, open, at some time of the interval."""
        found = [version.value for version in self.content.possible(start, end)]
        return [content for content in found if content is not None and content.until > start]


@dataclass(eq=False)
class Firm:
    """A company with its owner's token; `busy` is held by who renames, hands over or closes it, or adds postings.

    `verified` is true or false as administrators say.
    """

    id: int
    owner: Any
    name: Timeline[str]
    offers: list[Offer] = field(default_factory=list)
    verified: Timeline[bool] = field(default_factory=lambda: Timeline(False))
    closed: bool = False
    busy: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True, slots=True)
class Page:
    """An answer with postings; `cursor` is that of the next page, empty on the last one."""

    start: int
    end: int
    items: tuple[Mapping[str, Any], ...]
    cursor: str = ""
    total: int | None = None
    worker: str = ""

    def again(self, answer: Answer) -> "Page":
        """The same page, as a 304 says."""
        return replace(self, start=answer.start, end=answer.end, worker=answer.worker)


@dataclass(frozen=True, slots=True)
class Walk:
    """The pages of a search from the first one on."""

    query: Query
    pages: tuple[Page, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """A read of postings by their ids, of which `missing` were not shown."""

    page: Page
    missing: tuple[int, ...]


@dataclass(slots=True)
class Record:
    """Everything that happened.

    `admin` takes postings down and verifies companies, if given; `probes`: searches around a single write; `strange`:
    what no correct service answers, whatever was written; `lost`: requests without an answer, and why; `seconds`: how
    long the clients have run.
    """

    admin: Any = None
    firms: list[Firm] = field(default_factory=list)
    offers: dict[int, Offer] = field(default_factory=dict)
    walks: list[Walk] = field(default_factory=list)
    probes: list[Walk] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def writes(self) -> int:
        """Acknowledged writes."""
        return sum(
            count for (kind, status), count in self.answers.items() if kind not in NO_WRITES and status // 100 == 2
        )

    def summary(self) -> str:
        """The number of answers by kind and status."""
        pages = sum(len(walk.pages) for walk in self.walks)
        results = sum(len(page.items) for walk in self.walks for page in walk.pages)
        walked = f"{len(self.walks)} walks with {pages} pages and {results} results"
        rate = f"{self.writes / self.seconds:.0f} a second" if self.seconds else "in no time"
        lines = [f"{self.writes} writes ({rate}) to {len(self.offers)} postings, {walked}"]
        for kind in sorted({kind for kind, _ in self.answers}):
            statuses = [f"{status}: {count}" for (name, status), count in sorted(self.answers.items()) if name == kind]
            lines.append(f"  {kind:26} {', '.join(statuses)}")
        return "\n".join(lines)
