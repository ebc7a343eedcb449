"""How long the comparison with the peers measures each kind of work, and what that comes to."""

from dataclasses import dataclass

OVERHEAD_S = 0.2  # of a run: starting the generator, writing its requests
ENDED_S = 5.2  # until a side has answered or given up a flood, on average: the Python peers check all that wait
LAST_ENDED_S = 10.0  # which need not be waited for
SETTLED_S = 0.8  # until a side has done the last logins of the mix
BEGINNING_S = 20.0  # sides, postings, tokens, warm-ups


@dataclass(frozen=True)
class Schedule:
    """Rounds, and seconds of one side in one round: of reads, the mix, logins and registrations, open loops.

    `cold` and `logouts` are requests in a round, of which the slowest peer answers about 400 a second. `paced` is the
    number of works in an open loop.
    """

    rounds: int
    reads_s: float
    mixed_s: float
    login_s: float
    register_s: float
    paced: int
    paced_s: float
    flood_rounds: int
    flood_s: float
    cold: int
    logouts: int

    def planned_s(self, reads: int, cold: int, sides: int) -> float:
        """Seconds that all takes on two idle cores, for so many kinds of reads and the mix."""
        turns = self.rounds * sides
        all_reads = reads * turns * (self.reads_s + OVERHEAD_S) + turns * (self.mixed_s + OVERHEAD_S + SETTLED_S)
        counted = turns * (cold * self.cold + self.logouts) / 800  # the other peers are several times as fast
        hashing = turns * (self.login_s + self.register_s + 2 * OVERHEAD_S) + (self.rounds + 1) * self.login_s
        open_loops = self.paced * turns * (self.paced_s + OVERHEAD_S)
        flood = self.flood_rounds * sides * (self.flood_s + 1 + ENDED_S) - LAST_ENDED_S
        return BEGINNING_S + all_reads + counted + hashing + open_loops + flood


FULL = Schedule(
    rounds=5,
    reads_s=2,
    mixed_s=4,
    login_s=4,
    register_s=1,
    paced=3,
    paced_s=2,
    flood_rounds=5,
    flood_s=3,
    cold=600,
    logouts=400,
)
QUICK = Schedule(
    rounds=2,
    reads_s=1,
    mixed_s=1,
    login_s=0.5,
    register_s=0.5,
    paced=1,
    paced_s=1,
    flood_rounds=1,
    flood_s=1,
    cold=100,
    logouts=40,
)
