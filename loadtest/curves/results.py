"""The measured points of each curve, in docs/curves.json."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from loadtest.pages import DOCS
from loadtest.report import Run

KEPT = DOCS / "curves.json"
Point = dict[str, float]


@dataclass(slots=True)
class Curve(Run):
    """The points of one part, from the smallest on."""

    points: list[Point] = field(default_factory=list)


def save(curves: dict[str, Curve], path: Path = KEPT) -> None:
    """Write the curves by their names."""
    path.write_text(json.dumps({name: asdict(each) for name, each in curves.items()}, indent=1) + "\n")


def load(path: Path = KEPT) -> dict[str, Curve]:
    """Curves as `save` has written them; none where there is no file."""
    if not path.exists():
        return {}
    return {name: Curve(**each) for name, each in json.loads(path.read_text()).items()}


def rounded(point: Point) -> Point:
    """With four significant digits, which is more than a measurement has."""
    return {name: float(f"{value:.4g}") if value else 0.0 for name, value in point.items()}


def extrapolated(points: Sequence[tuple[float, float]], x: float) -> float:
    """The value at `x` on the line through the last two points, both axes logarithmic; never below the last value."""
    (x0, y0), (x1, y1) = points[-2:]
    slope = math.log(y1 / y0) / math.log(x1 / x0) if y0 > 0 and y1 > 0 else 0.0
    return float(y1 * (x / x1) ** max(slope, 0.0))
