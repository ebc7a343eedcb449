"""The plan that steady clients get and the report that they return; times are CLOCK_MONOTONIC in ns."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

NO_ANSWER = 0


@dataclass(frozen=True, slots=True)
class Ask:
    """`wire` is the whole request; the expected response has `status`, and `contains` in its body."""

    method: str
    wire: str
    status: int
    contains: str = ""


@dataclass(frozen=True)
class Plan:
    """`asks` are sent in turn at `rate` per second in total; a connection is replaced after `renewed` requests."""

    host: str
    port: int
    asks: Sequence[Ask]
    rate: float
    connections: int
    renewed: int = 300

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """From JSON."""
        return cls(**{**given, "asks": [Ask(**each) for each in given["asks"]]})

    def json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that did not get the expected response; `status` 0: it got none at all.

    `worker`: the last worker that answered on the connection; `reused`: whether the connection had been used before.
    """

    start: int
    end: int
    method: str
    status: int
    reason: str
    retry_after: str = ""
    worker: str = ""
    reused: bool = False

    @property
    def honest(self) -> bool:
        """Whether it is a 503 with Retry-After in seconds."""
        return self.status == 503 and self.retry_after.isdigit()

    def told(self, since: int) -> str:
        """One readable line; times are relative to `since`."""
        start, end = (f"{(each - since) / 1e9:.3f}" for each in (self.start, self.end))
        what = f"{self.method} {self.status} {self.reason}"
        return f"{start} to {end} s, worker {self.worker or 'unknown'}, reused: {self.reused}: {what}"


@dataclass(slots=True)
class Report:
    """`answered`: responses by status; `right`: expected ones by second; `workers`: time of each one's last response.

    `repeated`: first attempts on connections that the server closed; the repetition counts like any request.
    """

    answered: dict[str, int] = field(default_factory=dict)
    right: dict[str, int] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    repeated: list[Failure] = field(default_factory=list)
    workers: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """From JSON."""
        lists = {name: [Failure(**each) for each in given[name]] for name in ("failures", "repeated")}
        return cls(**{**given, **lists})

    @property
    def count(self) -> int:
        """Requests that a user made: answered ones and lost ones."""
        return sum(self.answered.values())

    @property
    def lost(self) -> list[Failure]:
        return [each for each in self.failures if each.status == NO_ANSWER]

    def note_answer(self, now: int, status: int, worker: str, right: bool) -> None:
        name = str(status)
        self.answered[name] = self.answered.get(name, 0) + 1
        self.workers[worker] = now
        if right:
            second = str(now // 1_000_000_000)
            self.right[second] = self.right.get(second, 0) + 1

    def note_lost(self, failure: Failure) -> None:
        """A request without an answer, counted as status 0."""
        self.answered[str(NO_ANSWER)] = self.answered.get(str(NO_ANSWER), 0) + 1
        self.failures.append(failure)

    def summary(self) -> str:
        """A readable text of several lines."""
        statuses = ", ".join(f"{status}: {count}" for status, count in sorted(self.answered.items()))
        lines = [f"{self.count} requests ({statuses}) answered by {len(self.workers)} worker processes"]
        lines.append(f"  {len(self.failures)} failed, {len(self.repeated)} repeated on a new connection")
        lines += [f"  {count} x {text}" for text, count in _kinds(self.failures)]
        lines += [f"  repeated: {count} x {text}" for text, count in _kinds(self.repeated)]
        return "\n".join(lines)


def _kinds(failures: Iterable[Failure]) -> list[tuple[str, int]]:
    counts = Counter(f"{each.method} {each.status} {each.reason}" for each in failures)
    return counts.most_common(8)
