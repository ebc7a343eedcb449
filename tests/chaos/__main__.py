"""`python -m tests.chaos`: does each fault to the service under load, and says how long it takes to recover."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from app.local.process import LocalError, becomes_true
from loadtest.report import machine
from tests.chaos.bed import Bed, opened
from tests.chaos.disk import enter_namespace
from tests.chaos.faults import FAULTS, Fault
from tests.chaos.load import Client, Load, Operations
from tests.chaos.log import Log, percentile_ms, share
from tests.chaos.page import KEPT, PAGE, generated
from tests.chaos.results import Results, Row, save
from tests.chaos.watchers import Followers, Promises

AWAY_S, QUICK_S = 10.0, 5.0
CALM_S, EXTRA_S = 5.0, 15.0
STEADY_S, CALM_MOST_S = 60.0, 120.0


class Campaign:
    """All faults, one after the other."""

    def __init__(self, bed: Bed, load: Load, promises: Promises, away_s: float) -> None:
        """A fault lasts `away_s`."""
        self._away_s = away_s
        self._bed, self._log, self._promises = bed, load.log, promises

    def run(self, fault: Fault) -> Row:
        """Do it, and measure until everything works again."""
        broken = len(self._promises.broken)
        start = time.monotonic()
        try:
            fault.inflict(self._bed, lambda part: time.sleep(part * self._away_s))
        except LocalError as error:  # a server does not start again
            self._promises.break_one(str(error))
        end = time.monotonic()
        times = self._recovery(end, fault.bound_s + EXTRA_S)
        left_s = max(0.0, end + fault.backlog_s - time.monotonic())
        becomes_true(lambda: self._promises.mailed_at(start, end) is not None, left_s)
        mailed_at = self._promises.mailed_at(start, end)
        whole = becomes_true(self._bed.whole, STEADY_S)
        during = self._log.within(start, max(end, start + 1.0))
        kinds = {kind: share([each for each in during if each.kind == kind]) for kind in self._log.in_row}
        return Row(
            part=fault.part, what=fault.what, bound_s=fault.bound_s,
            lasted_s=end - start, recovered_s=times, failed={kind: each.failed for kind, each in kinds.items()},
            ways={kind: str(each) for kind, each in kinds.items() if each.failed}, during=str(share(during)),
            mailed_s=None if mailed_at is None else mailed_at - end, mail_bound_s=fault.backlog_s, whole=whole,
            broken=self._promises.broken[broken:],
        )  # fmt: skip

    def calm(self) -> str:
        """Wait until every kind of operation succeeds; returns how they do without a fault, for some seconds."""
        times = self._recovery(time.monotonic(), CALM_MOST_S)
        if None in times.values():
            raise SystemExit(f"not everything is answered before any fault: {times}, {_figures(self._log, 0)}")
        since = time.monotonic()
        time.sleep(CALM_S)
        return _figures(self._log, since)

    def _recovery(self, since: float, limit_s: float) -> dict[str, float | None]:
        becomes_true(lambda: None not in self._log.recovered(since).values(), limit_s)
        return self._log.recovered(since)


def campaign(faults: Sequence[Fault], away_s: float, keep: Callable[[Results], None]) -> Results:
    """Run the faults, `away_s` each. Prints each row as it is known, and keeps what is known then."""
    results, began = Results(machine=machine()), time.monotonic()
    with ExitStack() as started:
        bed = started.enter_context(opened())
        client = Client({pod.name: pod.port for pod in bed.pods})
        promises = started.enter_context(Promises(bed))
        followers = started.enter_context(Followers(bed, client))
        load = Load(Operations(bed, client, promises, followers))
        results.budget = bed.budget

        def count() -> None:
            results.seconds, results.load_after = time.monotonic() - began, os.getloadavg()[0]
            results.operations, results.most_connections = len(load.log.within(0, float("inf"))), promises.most
            results.errors = sorted(set(load.errors))[:20]
            keep(results)

        with load:
            found = Campaign(bed, load, promises, away_s)
            results.calm = found.calm()
            print(f"running after {time.monotonic() - began:.0f} s; without a fault: {results.calm}", flush=True)
            for fault in faults:
                if fault.needs_disk and not bed.disk.limited:
                    results.skipped.append(f"{fault.name}: needs root, for a file system of its own")
                    continue
                results.rows.append(found.run(fault))
                print(results.rows[-1].line(), flush=True)
                count()
        known = len(promises.broken)
        promises.end(client, followers)
        results.at_the_end = promises.broken[known:]
        count()
    return results


def _figures(log: Log, since: float) -> str:
    done = log.within(since, float("inf"))
    return f"{share(done)}, p50 {percentile_ms(done, 0.5):.0f} ms, p99 {percentile_ms(done, 0.99):.0f} ms"


def main(arguments: Sequence[str]) -> int:
    """0 if every row kept its bound and no promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="some of the faults; nothing is written")
    parser.add_argument("--only", default="", help="faults whose name, such as `SMTP: kill`, contains this")
    parser.add_argument("--results", type=Path, help="where the results are written")
    given = parser.parse_args(arguments)
    enter_namespace()
    faults = [each for each in FAULTS if given.only in each.name and (each.quick or not given.quick)]
    partial = bool(given.quick or given.only)
    path = given.results or (None if partial else KEPT)
    keep = (lambda results: save(results, path)) if path else lambda results: None
    results = campaign(faults, QUICK_S if given.quick else AWAY_S, keep)
    if not partial:
        PAGE.write_text(generated(PAGE.read_text(), results))
    print(results.verdict())
    return 0 if results.kept else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
