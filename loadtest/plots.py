"""Plots for the documentation: small SVG files whose bytes depend only on what is plotted.

Texts stay texts, and follow the reader's light or dark colours; so the viewer's fonts are used. An axis is logarithmic
where its values span decades.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "plots"
DECADES = 30.0
"""The ratio of the greatest to the smallest value from which an axis is logarithmic."""

COLOURS = ("#2f81c8", "#d9622b", "#2f9e6e", "#b565a7", "#a5801a", "#7a7f87")
"""Told apart also with colour blindness (in lines, by their markers too), on light and on dark pages."""

_MARKERS = "osD^vP"
_TEXT = "#010203"  # stands for the page's colour of text
_STYLE = (
    "<style>svg { color: #1f2328 } @media (prefers-color-scheme: dark) { svg { color: #e6edf3 } }"
    " text { font-family: sans-serif }</style>"
)
_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "jobfinder",
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that the layout is the same everywhere
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.alpha": 0.25,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), _TEXT),
    "grid.color": _TEXT,
    **dict.fromkeys(("figure.facecolor", "axes.facecolor"), "none"),
}


@dataclass(frozen=True, slots=True)
class Labels:
    """Texts of a plot; those of the axes end with their units, as in "latency (ms)"."""

    title: str
    x: str
    y: str


@dataclass(frozen=True, slots=True)
class Curve:
    """A line through points (x, y); `ranges` are the (lowest, highest) y of each point, if they are known."""

    name: str
    points: Sequence[tuple[float, float]]
    ranges: Sequence[tuple[float, float]] = ()


@dataclass(frozen=True, slots=True)
class Bound:
    """A value of y, drawn as a dashed line: a target or a limit."""

    name: str
    value: float


def lines(path: Path, labels: Labels, curves: Sequence[Curve], bounds: Sequence[Bound] = ()) -> None:
    """Write a plot of curves; with more than 60 points a curve is drawn without markers."""

    def draw(axes: Axes) -> None:
        for number, curve in enumerate(curves):
            colour = COLOURS[number % len(COLOURS)]
            marker = _MARKERS[number % len(_MARKERS)] if len(curve.points) <= 60 else ""
            x, y = zip(*curve.points, strict=True)
            axes.plot(x, y, color=colour, marker=marker, markersize=4, linewidth=1.4, label=curve.name)
            if curve.ranges:
                low, high = zip(*curve.ranges, strict=True)
                axes.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
        for bound in bounds:
            axes.axhline(bound.value, color=_TEXT, linestyle="--", linewidth=0.9, label=bound.name)
        points = [point for curve in curves for point in curve.points]
        _scale(axes, "x", [x for x, _ in points])
        _scale(axes, "y", [y for _, y in points] + [bound.value for bound in bounds])
        axes.grid(visible=True)
        if len(curves) + len(bounds) > 1:
            _legend(axes)

    _write(path, labels, draw, height=3.4)


def bars(path: Path, labels: Labels, groups: Mapping[str, Mapping[str, Sequence[float]]]) -> None:
    """Write horizontal bars: for each group, from name of the side to its values in rounds.

    A bar shows the median, the line on it the lowest and the highest round. A side may be missing in a group. The label
    `x` is that of the values.
    """
    sides = list(dict.fromkeys(side for group in groups.values() for side in group))
    thickness = 0.8 / len(sides)
    values = [value for group in groups.values() for rounds in group.values() for value in rounds]

    def draw(axes: Axes) -> None:
        for number, side in enumerate(sides):
            present = [(place, group[side]) for place, group in enumerate(groups.values()) if side in group]
            middles = [median(rounds) for _, rounds in present]
            spread = [
                [middle - min(rounds) for middle, (_, rounds) in zip(middles, present, strict=True)],
                [max(rounds) - middle for middle, (_, rounds) in zip(middles, present, strict=True)],
            ]
            places = [place + (number - (len(sides) - 1) / 2) * thickness for place, _ in present]
            axes.barh(
                places, middles, thickness * 0.9, color=COLOURS[number % len(COLOURS)], label=side, xerr=spread,
                error_kw={"ecolor": _TEXT, "elinewidth": 0.9, "capsize": 2},
            )  # fmt: skip
        axes.set_yticks(range(len(groups)), list(groups))
        axes.invert_yaxis()
        _scale(axes, "x", values)
        axes.grid(visible=True, axis="x")
        axes.set_axisbelow(True)
        if len(sides) > 1:
            _legend(axes)

    _write(path, labels, draw, height=1.3 + len(groups) * max(0.35, 0.16 * len(sides)))


def _write(path: Path, labels: Labels, draw: Callable[[Axes], None], height: float) -> None:
    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=(7.2, height), layout="constrained")
        axes = figure.add_subplot()
        draw(axes)
        axes.set(title=labels.title, xlabel=labels.x, ylabel=labels.y)
        written = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        FigureCanvasSVG(figure).print_svg(written, metadata=nothing)  # type: ignore[no-untyped-call]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_themed(written.getvalue()))


def _themed(svg: str) -> str:
    """Without a background, and with texts and axes in the colour of the page's text."""
    lines = [line.rstrip() for line in svg.replace(_TEXT, "currentColor").splitlines()]
    text = "\n".join(lines) + "\n"
    return text.replace(" <defs>", f" {_STYLE}\n <defs>", 1)


def _scale(axes: Axes, name: Literal["x", "y"], values: Sequence[float]) -> None:
    """Logarithmic where the values span decades; else from zero, unless that would hide how they differ."""
    axis = axes.xaxis if name == "x" else axes.yaxis
    low, high = min(values), max(values)
    if low > 0 and high / low >= DECADES:
        axes.set_xscale("log") if name == "x" else axes.set_yscale("log")
        axis.set_major_locator(LogLocator(10, numticks=12))
        axis.set_minor_locator(NullLocator())
        axis.set_minor_formatter(NullFormatter())
    elif low >= 0 and name == "y":
        axes.set_ylim(bottom=0, top=high * 1.08 if high else 1)
    axis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))


def short(value: float) -> str:
    """A number of an axis, as 0.5, 250, 25k or 1M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if letter == 'k' else size):g}{letter}"
    return f"{value:g}"


def _legend(axes: Axes) -> None:
    """Beside the plot, where it covers nothing."""
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
