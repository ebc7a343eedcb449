"""The service beside the stack that it replaces and FastAPI, in rounds in turn; results also as JSON."""

from loadtest.bed import CHECKOUT, Bed
from loadtest.peers import logins, reads
from loadtest.peers.building import built
from loadtest.peers.results import Results, rows
from loadtest.peers.sides import opened
from loadtest.report import Row, machine
from loadtest.scenarios import QUICK, Effort

RESULTS = CHECKOUT / ".run" / "peers.json"
ROUNDS, QUICK_SECONDS = 5, 1


def run(bed: Bed, effort: Effort) -> list[Row]:
    """Always five rounds, which are short where little effort is wanted."""
    rust = built()
    own = Effort(ROUNDS, QUICK_SECONDS if effort == QUICK else effort.seconds, effort.samples)
    results = Results(machine(), quick=effort == QUICK)
    with opened(bed, rust) as sides:
        for work in reads.works(bed, sides):
            results.measured.append(reads.measured(work, sides, own))
        results.measured.append(logins.flooded_profile(sides, own))
        results.measured.append(logins.logins(sides, own))
    results.save(RESULTS)
    left_out = [] if rust else [Row("Rust peer", "left out: cargo is not installed")]
    return rows(results) + left_out
