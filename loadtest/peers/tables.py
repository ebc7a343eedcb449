"""The comparison with the peers as the documentation has it: tables, and plots."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from loadtest import plots
from loadtest.pages import markdown
from loadtest.peers.promises import AGE, LACKS, LOGOUT
from loadtest.peers.results import (
    CLOSED,
    COLD,
    MEANINGS,
    OPEN,
    Measured,
    Results,
    Sample,
    Target,
    cost,
    latencies,
    noisy,
    rate,
)
from loadtest.peers.sides import OURS

_TITLES = {
    CLOSED: "Closed loop, with everything kept that a side keeps",
    COLD: "Closed loop, each thing read for the first time",
    OPEN: "Open loop, latencies from the time at which a request was due",
}


def page(results: Results) -> str:
    """Who is compared, whether the targets are met, then a table and a plot for each kind of work."""
    parts = [_introduction(results), _promises(results), _targets(results)]
    for kind, title in _TITLES.items():
        if found := [each for each in results.measured if each.kind == kind]:
            parts += [f"#### {title}\n", f"![{title}]({_address(kind)})\n", _works(results, found)]
    return "\n".join(parts)


def draw(results: Results, folder: Path = plots.FOLDER) -> None:
    """Write the plots that `page` shows: processor time of a request, and latencies of the open loop."""
    for kind, title in _TITLES.items():
        found = [each for each in results.measured if each.kind == kind]
        if found and kind == OPEN:
            slowest = {each.work: {name: _slowest(side) for name, side in each.sides.items()} for each in found}
            plots.bars(folder / _file(kind), plots.Labels(title, "99th percentile (ms)", ""), slowest)
        elif found:
            groups = {
                each.work: {name: costs for name, side in each.sides.items() if all(costs := _costs(side))}
                for each in found
            }
            labels = plots.Labels(title, "processor time of a request (µs)", "")
            plots.bars(folder / _file(kind), labels, {work: group for work, group in groups.items() if group})


def _costs(samples: Sequence[Sample]) -> list[float]:
    return [each.processor_us for each in samples]


def _slowest(samples: Sequence[Sample]) -> list[float]:
    return [each.p99_ms for each in samples]


def _file(kind: str) -> str:
    return f"peers-{kind.replace(' ', '-')}.svg"


def _address(kind: str) -> str:
    return f"plots/{_file(kind)}"


def _introduction(results: Results) -> str:
    rounds = len(results.measured[0].sides[OURS]) if results.measured else 0
    length = " with `QUICK=1`" if results.quick else ""
    machine = "; ".join(results.machine.split("\n"))
    return f"{rounds} rounds{length} on {machine}.\n"


def _promises(results: Results) -> str:
    head = ["stack", "a logout is", "age of answers", "lacks"]
    return markdown(
        head, [[name, *(each[of] for of in (LOGOUT, AGE, LACKS))] for name, each in results.promises.items()]
    )


def _targets(results: Results) -> str:
    head = ["work", "beside", "target", "measured", "met"]
    return markdown(
        head,
        [_target(each, target) for each in results.measured for target in each.targets if target.beside in each.sides],
    )


def _target(each: Measured, target: Target) -> list[str]:
    ratios = each.ratios(target.of, target.beside)
    verdict = "yes" if target.met(median(ratios)) else "**no**"
    return [each.work, target.beside, str(target), noisy(ratios), verdict]


def _works(results: Results, found: Sequence[Measured]) -> str:
    ratios = [f"{OURS} : it, {meaning}" for meaning in MEANINGS.values()]
    head = ["work", "stack", "requests/s", "lowest-highest", "processor time", "latency", *ratios, "a logout is"]
    rows = []
    for each in found:
        for name, samples in each.sides.items():
            lowest, highest = (f"{bound(one.per_second for one in samples):,.0f}" for bound in (min, max))
            logout = results.promises.get(name, {}).get(LOGOUT, "")
            cells = [rate(samples), f"{lowest}-{highest}", cost(samples), latencies(samples)]
            rows.append([each.work, name, *cells, *_ratios(each, name), logout])
    return markdown(head, rows)


def _ratios(each: Measured, name: str) -> list[str]:
    """At a fixed rate there is nothing to compare but the processor time."""
    if name == OURS:
        return ["", ""]
    rates = [] if each.kind == OPEN else each.ratios("rate", name)
    costs = each.ratios("cost", name) if all(_costs(each.sides[OURS])) else []
    return [noisy(ratios) if ratios else "" for ratios in (rates, costs)]
