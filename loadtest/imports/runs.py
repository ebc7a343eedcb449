"""One run of `python -m app import`: its time, processor time and memory, with searches beside it."""

import os
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.local.process import LocalError
from loadtest.bed import CHECKOUT, Bed, Service
from loadtest.client import Connection, encoded
from loadtest.processes import processor_seconds

SEARCHES_PER_S = 20
LOOKED_EVERY_S = 0.1


@dataclass
class Searching:
    """The time of each search in ms."""

    times: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Run:
    """`client` and `backend` are processor time in seconds, `memory` the most that was resident, in bytes."""

    said: str
    seconds: float
    client: float
    backend: float
    memory: int


def run_import(bed: Bed, path: Path, slug: str) -> Run:
    """Import the file; raises LocalError if the command fails."""
    command = [sys.executable, "-m", "app", "import", str(path), "--company", slug, "--source", "bench"]
    before, started, memory = _backend_seconds(bed), time.monotonic(), 0
    with subprocess.Popen(
        command, cwd=CHECKOUT, env=bed.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        used = os.times()
        while process.poll() is None:
            memory = max(memory, _peak_bytes(process.pid))
            time.sleep(LOOKED_EVERY_S)
        said = process.stdout.read().strip() if process.stdout else ""
    if process.returncode:
        raise LocalError(f"the import ended with {process.returncode}")
    after = os.times()
    client = after.children_user + after.children_system - used.children_user - used.children_system
    return Run(said, time.monotonic() - started, client, _backend_seconds(bed) - before, memory)


@contextmanager
def searching(service: Service, words: Sequence[str]) -> Iterator[Searching]:
    """Search some times a second until the block ends."""
    found, over = Searching(), threading.Event()
    thread = threading.Thread(target=_search, args=(service.port, words, found, over))
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def _search(port: int, words: Sequence[str], found: Searching, over: threading.Event) -> None:
    connection, number = Connection(port), 0
    while not over.wait(1 / SEARCHES_PER_S):
        query = urllib.parse.urlencode({"q": words[number % len(words)], "lang": "en"})
        number += 1
        answer = connection.exchange(encoded("GET", f"/api/v1/jobs?{query}"))
        if answer.status != 200:
            raise LocalError(f"a search was answered with {answer.status}: {answer.body.decode()}")
        found.times.append(answer.seconds * 1000)


def _peak_bytes(pid: int) -> int:
    """0 once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def _backend_seconds(bed: Bed) -> float:
    """Processor time of PostgreSQL's processes that run now; those of connections of the pool stay."""
    total = 0.0
    for pid in bed.postgres.backends():
        try:
            total += processor_seconds(pid)
        except OSError:
            continue
    return total
