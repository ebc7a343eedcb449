"""`python -m loadtest.curves.follower` follows the change log as many workers do; it reads orders from standard input.

Each simulated worker has its own connection to memcached, and looks by the service's own code. A line is a JSON object:
`{"address", "followers"}` makes them, `{"seconds", "interval_ms"}` lets each look at fixed times, `{"catch_up"}` lets
each look once. The answer to the last two is a line with how long looks took.
"""

import dataclasses
import json
import sys
import time
from dataclasses import dataclass, field

from app.coherence.clock import SYSTEM_CLOCK
from app.coherence.log.change_log import ChangeLog
from app.coherence.log.history import History, State
from app.coherence.log.look import look
from app.infra.memcache.server import Server
from loadtest.openloop import prefer_this_process

TIMEOUT_S = 5.0


@dataclass(slots=True)
class Looks:
    """`taken_ms` of each look; `seconds` for all; `entries` that were read; `began_anew`: looks without a history."""

    taken_ms: list[float] = field(default_factory=list)
    seconds: float = 0.0
    entries: int = 0
    began_anew: int = 0


class Follower:
    """What one worker knows of the log."""

    def __init__(self, address: str) -> None:
        self._log = ChangeLog(Server(address, TIMEOUT_S))
        self._state = State(History(1), 0, 0)
        self.look(Looks())

    def look(self, looks: Looks) -> None:
        """As `lease.py` does: what is new goes into the history, or a new history begins."""
        started = time.perf_counter()
        found = look(self._log, self._state, SYSTEM_CLOCK)
        history = self._state.history
        if found.entries is None:
            history, looks.began_anew = History(found.last), looks.began_anew + 1
        else:
            history.record(found.entries)
            looks.entries += len(found.entries)
        self._state = State(history, found.last, found.start_ns)
        looks.taken_ms.append((time.perf_counter() - started) * 1000)


def follow(followers: list[Follower], seconds: float, interval_ms: float) -> Looks:
    """Each looks once in an interval, one after the other at even distances, however long looks take."""
    looks, start = Looks(), time.perf_counter()
    pause, count = interval_ms / 1000 / len(followers), int(seconds * 1000 / interval_ms * len(followers))
    for number in range(count):
        wait = start + number * pause - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        followers[number % len(followers)].look(looks)
    looks.seconds = time.perf_counter() - start
    return looks


def catch_up(followers: list[Follower]) -> Looks:
    """Each looks once, as soon as the one before it has."""
    looks, start = Looks(), time.perf_counter()
    for each in followers:
        each.look(looks)
    looks.seconds = time.perf_counter() - start
    return looks


def main() -> None:
    """Run orders until the input ends."""
    prefer_this_process()
    followers: list[Follower] = []
    for line in sys.stdin:
        order = json.loads(line)
        if "address" in order:
            followers = [Follower(order["address"]) for _ in range(order["followers"])]
            looks = Looks()
        elif "seconds" in order:
            looks = follow(followers, order["seconds"], order["interval_ms"])
        else:
            looks = catch_up(followers)
        print(json.dumps(dataclasses.asdict(looks)), flush=True)


if __name__ == "__main__":
    main()
