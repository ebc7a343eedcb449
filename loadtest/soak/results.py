"""What a soak test has found: kinds of requests, series, verdicts; kept as JSON."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from loadtest.report import Row
from loadtest.soak.flatness import thinned
from loadtest.soak.record import Record
from loadtest.statistics import percentile


@dataclass(frozen=True)
class Requests:
    """All requests of a kind; latencies in ms, None if none was answered. `refused` are expected refusals."""

    name: str
    group: str
    number: int
    per_second: float
    p50_ms: float | None
    p99_ms: float | None
    refused: int
    failed: int


@dataclass(frozen=True)
class Results:
    """A test of `seconds`; `series` are points (seconds, value), `loads` the load averages before and after it."""

    machine: str
    seconds: float
    rate: float
    loads: tuple[float, float]
    requests: list[Requests]
    series: dict[str, list[tuple[float, float]]]
    verdicts: list[Row]
    examples: list[str]

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        given = asdict(self) | {"series": {name: rounded(points) for name, points in self.series.items()}}
        lines = json.dumps(given, indent=1, ensure_ascii=False)
        path.write_text(_points_on_one_line(lines) + "\n")


def load(path: Path) -> Results:
    """Results as `save` has written them."""
    given = json.loads(path.read_text())
    return Results(
        **given
        | {
            "loads": tuple(given["loads"]),
            "requests": [Requests(**each) for each in given["requests"]],
            "series": {name: [(at, value) for at, value in points] for name, points in given["series"].items()},
            "verdicts": [Row(**each) for each in given["verdicts"]],
        }
    )


def all_series(
    samples: Mapping[str, list[tuple[float, float]]], record: Record
) -> dict[str, list[tuple[float, float]]]:
    """Those of processes and tables, and the latencies of each group of requests."""
    found = dict(samples)
    for group, windows in sorted(record.windows.items()):
        found[f"p50 of {group}"] = [(each.at, each.p50_ms) for each in windows]
        found[f"p99 of {group}"] = [(each.at, each.p99_ms) for each in windows]
        found[f"number of {group}"] = [(each.at, float(each.requests)) for each in windows]
    return found


def requests(record: Record, seconds: float) -> list[Requests]:
    """By group and name."""
    found = []
    for name, told in sorted(record.kinds.items(), key=lambda each: (each[1].group, each[0])):
        taken, number = told.latencies_ms, len(told.latencies_ms) + told.failed
        p50, p99 = (percentile(taken, 0.5), percentile(taken, 0.99)) if taken else (None, None)
        refused = sum(told.refused.values())
        found.append(Requests(name, told.group, number, number / seconds, p50, p99, refused, told.failed))
    return found


def rounded(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Thinned, with as many digits as a plot shows."""
    return [(round(at, 1), float(f"{value:.4g}")) for at, value in thinned(list(points))]


def _points_on_one_line(text: str) -> str:
    """JSON whose pairs of numbers take a line each instead of four."""
    lines, found = text.split("\n"), list[str]()
    for line in lines:
        if found and found[-1].strip() == "[" and _number(line):
            found[-1] += line.strip()
        elif found and found[-1].endswith(",") and found[-1].strip().startswith("[") and _number(line):
            found[-1] += f" {line.strip()}"
        elif found and found[-1].strip().startswith("[") and found[-1].strip() != "[" and line.strip() in ("]", "],"):
            found[-1] += line.strip()
        else:
            found.append(line)
    return "\n".join(found)


def _number(line: str) -> bool:
    return line.strip().rstrip(",").replace(".", "").replace("-", "").replace("e", "").replace("+", "").isdigit()
