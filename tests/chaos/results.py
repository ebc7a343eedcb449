"""What a campaign has found: a row for each fault, and whether bounds and promises were kept."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One fault. `recovered_s`: seconds after its end for each kind of operation, None if it did not recover.

    `failed` are shares of what was due during the fault, `ways` say how. `mailed_s`: seconds after its end until all
    was mailed that was acknowledged in it.
    """

    part: str
    what: str
    bound_s: float
    lasted_s: float
    recovered_s: dict[str, float | None]
    failed: dict[str, float]
    ways: dict[str, str]
    during: str
    mailed_s: float | None
    mail_bound_s: float
    whole: bool
    broken: list[str]

    @property
    def recovery_s(self) -> float | None:
        """Seconds until the last kind had recovered."""
        known = [each for each in self.recovered_s.values() if each is not None]
        return max(known) if known and len(known) == len(self.recovered_s) else None

    @property
    def kept(self) -> bool:
        within = self.recovery_s is not None and self.recovery_s <= self.bound_s
        return within and self.mailed and self.whole and not self.broken

    @property
    def mailed(self) -> bool:
        """Whether everything was mailed within the bound for it."""
        return self.mailed_s is not None and self.mailed_s <= self.mail_bound_s

    @property
    def recovery(self) -> str:
        if self.recovery_s is None:
            return "not"
        return "at once" if self.recovery_s == 0 else f"{self.recovery_s:.1f} s"

    def complaints(self) -> list[str]:
        """Why the row is not kept."""
        late = {kind: each for kind, each in self.recovered_s.items() if each is None or each > self.bound_s}
        said = [f"{kind} after {'-' if each is None else f'{each:.1f} s'}" for kind, each in late.items()]
        said += [] if self.mailed else [f"not everything was mailed within {self.mail_bound_s:g} s"]
        said += [] if self.whole else ["not everything is healthy again"]
        return said + self.broken[:5]

    def line(self) -> str:
        """For the terminal."""
        verdict = "ok" if self.kept else "NOT KEPT: " + "; ".join(self.complaints())
        mailed = "-" if self.mailed_s is None else f"{self.mailed_s:.1f} s"
        head = f"{self.part + ': ' + self.what:38} recovered {self.recovery:8} (bound {self.bound_s:g} s)"
        return f"{head}  mailed {mailed:7} {verdict}\n{'':38} during: {self.during}\n{'':38} {self.ways}"


@dataclass
class Results:
    """A campaign. `at_the_end`: broken promises that only its end shows; `errors`: faults of the load itself."""

    machine: str
    load_after: float = 0.0
    seconds: float = 0.0
    calm: str = ""
    operations: int = 0
    rows: list[Row] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    at_the_end: list[str] = field(default_factory=list)
    most_connections: int = 0
    budget: int = 0
    errors: list[str] = field(default_factory=list)

    @property
    def kept(self) -> bool:
        return all(row.kept for row in self.rows) and not self.at_the_end and not self.errors

    def verdict(self) -> str:
        """The last lines of the report."""
        failed = [f"{row.part}: {row.what}: {'; '.join(row.complaints())}" for row in self.rows if not row.kept]
        lines = [
            f"{len(self.rows)} faults in {self.seconds:.0f} s with {self.operations} operations",
            f"at most {self.most_connections} of {self.budget} connections to PostgreSQL",
            f"load average {self.load_after:.1f} at the end",
            *(f"skipped: {each}" for each in self.skipped),
            *(f"NOT KEPT: {each}" for each in (*failed, *self.at_the_end, *self.errors)),
        ]
        return "\n".join([*lines, "every bound and every promise was kept" if self.kept else "not everything was kept"])


def save(results: Results, path: Path) -> None:
    path.write_text(json.dumps(asdict(results), indent=1) + "\n")


def load(path: Path) -> Results:
    given = json.loads(path.read_text())
    return Results(**given | {"rows": [Row(**row) for row in given["rows"]]})
