"""Writes the results that `make soak KEEP=1` has kept in docs/soak.json as tables into docs/soak.md, and as plots."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from loadtest.bed import CHECKOUT
from loadtest.pages import markdown, replaced
from loadtest.plots import FOLDER, Curve, Labels, lines
from loadtest.soak.__main__ import KEPT
from loadtest.soak.ground import COSTED
from loadtest.soak.results import Requests, Results, load

PAGE = CHECKOUT / "docs" / "soak.md"
RUN, VERDICTS, REQUESTS = "soak run", "soak verdicts", "soak requests"
OURS = ("worker 1", "worker 2", "task worker", "realtime gateway")
PLOTS: Mapping[str, tuple[Labels, Sequence[str]]] = {
    "soak-memory": (
        Labels("Memory of each process", "time (minutes)", "anonymous memory (MiB)"),
        [f"memory of {name}" for name in (*OURS, "memcached", "PostgreSQL")],
    ),
    "soak-descriptors": (
        Labels("Open descriptors", "time (minutes)", "descriptors"),
        [f"descriptors of {name}" for name in (*OURS, "PgBouncer", "memcached")],
    ),
    "soak-p99": (
        Labels("99th percentile of the latency", "time (minutes)", "latency (ms)"),
        [f"p99 of {group}" for group in ("reads", "searches", "writes", "sessions", "passwords", "streams")],
    ),
    "soak-cost": (
        Labels("Processor time of a request", "time (minutes)", "processor time (ms)"),
        [f"processor time of {name}" for name in (*COSTED, "worker 1", "worker 2")],
    ),
    "soak-load": (
        Labels("Load average of the machine, with other work on it", "time (minutes)", "processes that run or wait"),
        ["load average"],
    ),
    "soak-rows": (
        Labels("Rows that upkeep removes", "time (minutes)", "rows"),
        [
            f"rows of {table}"
            for table in ("changes to publish", "tasks that are due", "live sessions", "open postings")
        ],
    ),
}


def generated(text: str, results: Results) -> str:
    """The page with the tables of these results."""
    for name, content in ((RUN, _run(results)), (VERDICTS, _verdicts(results)), (REQUESTS, _requests(results))):
        text = replaced(text, name, content)
    return text


def plot(results: Results, folder: Path) -> None:
    """Write the plots; series that the results do not have are left out."""
    for name, (labels, wanted) in PLOTS.items():
        curves = [
            Curve(each.partition(" of ")[2] or each, [(at / 60, value) for at, value in results.series[each]])
            for each in wanted
            if results.series.get(each)
        ]
        if curves:
            lines(folder / f"{name}.svg", labels, curves)


def _run(results: Results) -> str:
    before, after = results.loads
    number = sum(each.number for each in results.requests)
    machine = "; ".join(results.machine.split("\n"))
    return (
        f"{results.seconds / 3600:g} hours, {number:,} requests, on {machine}. "
        f"Load average {before:.1f} before the start and {after:.1f} at the end.\n"
    )


def _verdicts(results: Results) -> str:
    met = {True: "yes", False: "**no**", None: ""}
    rows = [[row.what, row.measured, row.target, met[row.met]] for row in results.verdicts]
    return markdown(["what", "found", "bound", "met"], rows)


def _requests(results: Results) -> str:
    head = ["request", "number", "a second", "p50", "p99", "expected refusals", "failed"]
    return markdown(head, [_cells(each) for each in results.requests])


def _cells(each: Requests) -> list[str]:
    told = [f"{ms:,.1f} ms" if ms is not None else "" for ms in (each.p50_ms, each.p99_ms)]
    return [each.name, f"{each.number:,}", f"{each.per_second:.2f}", *told, f"{each.refused:,}", f"{each.failed:,}"]


if __name__ == "__main__":
    found = load(KEPT)
    PAGE.write_text(generated(PAGE.read_text(), found))
    plot(found, FOLDER)
