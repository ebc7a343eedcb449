"""Writes docs/curves.md and its plots from docs/curves.json."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loadtest import plots
from loadtest.curves import verdicts
from loadtest.curves.results import Curve, Point, load
from loadtest.pages import DOCS, markdown
from loadtest.plots import FOLDER, Bound, Labels

PAGE = DOCS / "curves.md"
_HEAD = """# Cost curves

What each part of the service costs as its load or its data grow, where it gives out, and what then.

`make curves` measures it all in about 20 minutes, `QUICK=1` only the smaller numbers in about 6. The first full run
also makes a catalogue of 1,000,000 postings, which takes longer, and keeps it in `~/.cache/jobfinder`. It writes this
page, `docs/curves.json` and the plots. `python -m loadtest.curves --only NAME` measures one part anew and leaves the
others, `make docs` writes page and plots from the JSON alone. Load and servers share the cores: the shape of a curve
says more than its height.
"""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: the name of its values, its heading, and how a value is shown."""

    name: str
    heading: str
    shown: str = "{:,.4g}"


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot of some columns over the first one."""

    file: str
    labels: Labels
    names: Sequence[tuple[str, str]]
    bounds: Sequence[Bound] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the page; `verdict` says from the points where what gives out."""

    title: str
    how: str
    columns: Sequence[Column]
    plots: Sequence[Plot]
    verdict: Callable[[Sequence[Point]], str]


def _count(name: str, heading: str) -> Column:
    return Column(name, heading, "{:,.0f}")


KINDS = (
    "one common word", "two words", "three words", "filters only", "a word within 25 km",
    "two words and three broad filters", "two words with 6 facets",
)  # fmt: skip

SECTIONS = {
    "users": Section(
        "Users in the table",
        "One client looks up users whom no cache has (`GET /users/{id}`), so that each lookup asks PostgreSQL. Its "
        "processor time includes its background processes.",
        (
            _count("users", "users"),
            Column("p50_ms", "p50, ms"),
            Column("p99_ms", "p99, ms"),
            Column("postgres_us", "PostgreSQL, µs a lookup"),
            Column("table_mb", "table, MB"),
            Column("indexes_mb", "indexes, MB"),
        ),
        (
            Plot(
                "users-latency",
                Labels("Lookup that no cache answers", "users in the table", "latency (ms)"),
                (("p50_ms", "p50"), ("p99_ms", "p99")),
                (Bound("promised", 60.0),),
            ),
        ),
        verdicts.users,
    ),
    "active": Section(
        "Active users",
        "So many users read their own profile, each at first once, then at random, from one worker. Its cache of "
        "users has 10,000 entries (`cache.user.capacity`), memcached 64 MB.",
        (
            _count("active", "active users"),
            Column("without_postgres", "answered without PostgreSQL", "{:.1%}"),
            Column("processor_us", "the worker's processor time, µs a request"),
            _count("per_second", "requests/s"),
            Column("memory_mb", "memory of the worker, MB", "{:,.0f}"),
        ),
        (
            Plot(
                "active-cost",
                Labels("Cost of a request", "active users", "processor time (µs)"),
                (("processor_us", "worker"),),
            ),
            Plot(
                "active-memory",
                Labels("Memory of a worker", "active users", "resident (MB)"),
                (("memory_mb", "worker"),),
            ),
        ),
        verdicts.active,
    ),
    "workers": Section(
        "Workers",
        "Logins (bcrypt of cost 10), cached reads of the own profile, and reads of 2,000 users with the worker's "
        "caches switched off, which ask memcached each time. The load generator, PostgreSQL and memcached have the "
        "same two cores.",
        (
            _count("workers", "workers"),
            Column("logins", "logins/s", "{:,.1f}"),
            _count("cached", "cached reads/s"),
            _count("uncached", "reads/s without the worker's caches"),
        ),
        (
            Plot(
                "workers-rate",
                Labels("Requests a second", "workers", "requests/s"),
                (("logins", "logins"), ("cached", "cached reads"), ("uncached", "reads without the worker's caches")),
            ),
        ),
        verdicts.workers,
    ),
    "followers": Section(
        "Workers on one change log",
        "Simulated workers in a few processes, each with its own connection to one real memcached, look at the log "
        "by the service's code every 50 ms (a worker under load every 25 ms), while 50 changes a second are "
        "published. Then all miss 2,000 changes and read them. A worker that has missed more than 4,096 reads none "
        "of them, but forgets what it knew.",
        (
            _count("workers", "workers"),
            _count("reads_a_second", "reads/s on memcached"),
            _count("kb_a_second", "kB/s"),
            Column("memcached_core", "memcached, cores", "{:.3f}"),
            Column("look_p50_ms", "look p50, ms"),
            Column("look_p99_ms", "look p99, ms"),
            _count("looks_a_second", "looks/s"),
            _count("wanted_a_second", "wanted"),
            Column("catch_up_p50_ms", "one catches up, p50 ms"),
            Column("all_caught_up_s", "all have, s"),
        ),
        (
            Plot(
                "followers-load",
                Labels("Load of the change log", "workers", "a second"),
                (("reads_a_second", "reads on memcached"), ("kb_a_second", "kB in both directions")),
            ),
            Plot(
                "followers-latency",
                Labels("Time of a look", "workers", "latency (ms)"),
                (("look_p50_ms", "p50"), ("look_p99_ms", "p99"), ("catch_up_p50_ms", "catching up, p50")),
                (Bound("lease", 50.0),),
            ),
        ),
        verdicts.followers,
    ),
    "connections": Section(
        "Connections",
        "Connections that are kept open on two workers; each asks for the own profile, first 32 a process at a "
        "time, then all at once.",
        (
            _count("connections", "connections"),
            Column("in_turn_p50_ms", "in turn p50, ms"),
            Column("in_turn_p99_ms", "p99"),
            Column("all_at_once_p50_ms", "all at once p50, ms"),
            Column("all_at_once_p99_ms", "p99"),
            Column("kb_each", "kB each, after all at once"),
            Column("workers_mb", "both workers, MB", "{:,.0f}"),
        ),
        (
            Plot(
                "connections-latency",
                Labels("Own profile on kept connections", "connections", "latency (ms)"),
                (("in_turn_p99_ms", "in turn, p99"), ("all_at_once_p99_ms", "all at once, p99")),
            ),
            Plot(
                "connections-memory",
                Labels("Memory of both workers", "connections", "resident (MB)"),
                (("workers_mb", "both workers"),),
            ),
        ),
        verdicts.connections,
    ),
    "postings": Section(
        "Postings",
        "Processor time of PostgreSQL for one search without the service's caches, with one client, as `make "
        "bench-search` measures it. The row of 10,000,000 is extrapolated, not measured: along the line through the "
        "last two measured points, both axes logarithmic; slow searches (p99) are not.",
        (
            Column("postings", "postings", "{:,.0f}"),
            *(Column(f"{kind}, p50", f"{kind}, p50 ms") for kind in KINDS),
            *(Column(f"{kind}, p99", f"{kind}, p99 ms") for kind in KINDS if "facets" in kind or "filters" in kind),
        ),
        (
            Plot(
                "postings-search",
                Labels(
                    "Processor time of a search, p50 (the last points are extrapolated)",
                    "postings",
                    "processor time (ms)",
                ),
                tuple((f"{kind}, p50", kind) for kind in KINDS[:6]),
            ),
        ),
        verdicts.postings,
    ),
}


def text(curves: dict[str, Curve]) -> str:
    """The page; parts that have not been measured are left out."""
    parts = [_HEAD]
    for name, section in SECTIONS.items():
        if name in curves:
            parts.append(_section(section, curves[name], shown_points(name, curves[name])))
    return "\n".join(parts)


def shown_points(name: str, curve: Curve) -> list[Point]:
    """The measured points, and for postings one that is extrapolated."""
    return verdicts.with_ten_million(curve.points) if name == "postings" else curve.points


def write() -> None:
    """Page and plots of the kept results."""
    curves = load()
    PAGE.write_text(text(curves))
    for name, section in SECTIONS.items():
        if name in curves:
            for plot in section.plots:
                _draw(plot, section.columns[0].name, shown_points(name, curves[name]))


def _cell(column: Column, point: Point) -> str:
    return column.shown.format(point[column.name]) if column.name in point else ""


def _section(section: Section, curve: Curve, points: Sequence[Point]) -> str:
    rows = [[_cell(each, point) for each in section.columns] for point in points]
    head = [each.heading for each in section.columns]
    images = "\n".join(f"![{plot.labels.title}](plots/{plot.file}.svg)" for plot in section.plots)
    loads = " before and ".join(f"{each:g}" for each in curve.load_averages)
    length = ", `QUICK=1`" if curve.quick else ""
    where = curve.machine.split("\n")[0].rpartition(", load average")[0]
    return (
        f"## {section.title}\n\n{section.how}\n\n{markdown(head, rows)}\n{images}\n\n**Where it gives out.** "
        f"{section.verdict(curve.points)}\n\nMeasured on {where}; load average {loads} after{length}.\n"
    )


def _draw(plot: Plot, over: str, points: Sequence[Point]) -> None:
    lines = [plots.Curve(label, [(each[over], each[name]) for each in points]) for name, label in plot.names]
    plots.lines(FOLDER / f"{plot.file}.svg", plot.labels, lines, plot.bounds)


if __name__ == "__main__":
    write()
