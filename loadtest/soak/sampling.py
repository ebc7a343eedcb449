"""Memory, descriptors and threads of each process, and rows of tables, sampled while the test runs."""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean

from loadtest.processes import descriptors, processor_seconds
from loadtest.soak.store import count_rows, database_bytes

MIB = 2**20
_ANON, _THREADS = re.compile(r"RssAnon:\s+(\d+) kB"), re.compile(r"Threads:\s+(\d+)")

Pids = Callable[[], Sequence[int]]
"""The processes of a program at the moment."""


class Samples:
    """Series by name, such as `memory of X` in MiB, `descriptors of X`, `threads of X`, `rows of T`.

    Where a program has several processes that come and go, they are means of these.
    """

    def __init__(self, programs: Mapping[str, Pids], url: str, costed: Mapping[str, Sequence[str]]) -> None:
        """`costed` are the programs whose processor time is noted together, by the name of the series."""
        self.series: dict[str, list[tuple[float, float]]] = defaultdict(list)
        self._programs, self._url, self._costed = programs, url, costed
        self._spent: dict[str, float] = {}
        self._requests = 0

    def take(self, at: float, *, rows: bool) -> None:
        """One sample, at so many seconds; rows are counted only now and then."""
        self.series["load average"].append((at, os.getloadavg()[0]))
        for name, pids in self._programs.items():
            found = [measured for pid in pids() if (measured := measure(pid)) is not None]
            for what, column in zip(("memory", "descriptors", "threads"), zip(*found, strict=True), strict=False):
                self.series[f"{what} of {name}"].append((at, fmean(column)))
            if len(found) > 1:
                self.series[f"processes of {name}"].append((at, len(found)))
        if rows:
            for table, number in count_rows(self._url).items():
                self.series[f"rows of {table}"].append((at, number))
            self.series["size of the database"].append((at, database_bytes(self._url) / MIB))

    def spend(self, at: float, requests: int) -> None:
        """Note the processor time of a request since the last call, by program; `requests` is their number so far."""
        before, done = self._spent, requests - self._requests
        self._spent = {
            name: sum(_spent(self._programs[each]()) for each in together) for name, together in self._costed.items()
        }
        self._requests = requests
        for name, spent in self._spent.items():
            if name in before and done:
                self.series[f"processor time of {name}"].append((at, (spent - before[name]) / done * 1000))


def _spent(pids: Sequence[int]) -> float:
    """Seconds of processor time."""
    return sum(processor_seconds(pid) for pid in pids)


def measure(pid: int) -> tuple[float, float, float] | None:
    """(memory that is the process's own, in MiB; open descriptors; threads), or None if it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        own, threads = _ANON.findall(status), _THREADS.findall(status)
        return (int(own[0]) / 1024, descriptors(pid), int(threads[0])) if own else None
    except OSError:
        return None
