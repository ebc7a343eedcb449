"""The service beside the stack that it replaces and usual ones in Python, in rounds in turn; results also as JSON."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from statistics import median

from app.local.process import LocalError
from loadtest.bed import CHECKOUT, Bed
from loadtest.peers import cold, logins, paced, reads
from loadtest.peers.building import built
from loadtest.peers.promises import PROMISES
from loadtest.peers.results import Measured, Results, rows
from loadtest.peers.schedule import FULL, QUICK, Schedule
from loadtest.peers.sides import OURS, Side, opened
from loadtest.report import Row, machine
from loadtest.scenarios import QUICK as QUICK_EFFORT
from loadtest.scenarios import Effort

RESULTS = CHECKOUT / ".run" / "peers.json"
JOBS, COLD_SEARCHES = 4_900, 1_000
READS, COLD, SIDES = 6, 3, 4
COST_US, LEAST_SAVED = 100.0, 0.90


def planned_s(effort: Effort) -> float:
    """Seconds that it takes at most on two idle cores."""
    return _schedule(effort).planned_s(READS, COLD, SIDES)


def run(bed: Bed, effort: Effort) -> list[Row]:
    """Cold works come first: nobody has read anything yet."""
    rust, results = built(), Results(machine(), quick=effort == QUICK_EFFORT, promises=PROMISES)
    with opened(bed, rust) as sides:
        failed = _measure(_works(bed, sides, _schedule(effort)), results)
    left_out = [] if rust else [Row("Rust peer", "left out: cargo is not installed")]
    return rows(results) + _alone(results) + failed + left_out


def _measure(works: Iterable[Callable[[], Measured]], results: Results) -> list[Row]:
    """Add what is measured to `results`, and save them; returns a row for each work that failed."""
    failed = []
    for work in works:
        try:
            each = work()
        except (LocalError, OSError, RuntimeError) as error:
            failed.append(Row("a comparison with the peers", f"failed: {error}", "measured", met=False))
            continue
        print(f"[bench]   {each.work}", flush=True)
        results.measured.append(each)
        results.save(RESULTS)
    return failed


def _schedule(effort: Effort) -> Schedule:
    return QUICK if effort == QUICK_EFFORT else FULL


def _works(bed: Bed, sides: Sequence[Side], schedule: Schedule) -> Iterator[Callable[[], Measured]]:
    drawn = reads.add_postings(bed, 2 * reads.SEARCHES + COLD_SEARCHES, JOBS)
    for unread in cold.works(bed, drawn[2 * reads.SEARCHES :]):
        yield partial(cold.measured, unread, sides, schedule)
    works = reads.works(bed, sides, reads.found_by_all(sides, drawn[: 2 * reads.SEARCHES]))
    for work in works:
        seconds = schedule.mixed_s if work.settles else schedule.reads_s
        yield partial(reads.measured, work, sides, schedule.rounds, seconds)
    for work in (works[-1], works[1], *works[-3:-1])[: schedule.paced]:
        yield partial(paced.measured, work, sides, schedule)
    yield partial(logins.logouts, bed, sides, schedule)
    yield partial(logins.logins, sides, schedule)
    yield partial(logins.registrations, sides, schedule)
    yield partial(logins.flooded_profile, sides, schedule)


def _alone(results: Results) -> list[Row]:
    """What a profile costs our worker, and how much of the time of 100 reads a batch of 100 saves."""
    ours = {each.work: each.sides[OURS] for each in results.measured}
    if not {reads.OWN, reads.BATCHED, reads.PUBLIC} <= ours.keys():
        return []
    cost_us = median(each.processor_us for each in ours[reads.OWN])
    saved = median(
        1 - single.per_second / (reads.BATCH * batch.per_second)
        for batch, single in zip(ours[reads.BATCHED], ours[reads.PUBLIC], strict=True)
    )
    return [
        Row("own profile, processor time of our worker", f"{cost_us:.0f} us", f"< {COST_US:g} us", cost_us < COST_US),
        Row(
            f"batch of {reads.BATCH} : {reads.BATCH} single reads, server time",
            f"{saved:.1%} less", f">= {LEAST_SAVED:.0%}", saved >= LEAST_SAVED,
        ),
    ]  # fmt: skip
