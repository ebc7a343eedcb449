"""Simulated workers that follow one change log on a real memcached."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from pymemcache import Client

from app.coherence.log.change_log import REACH, ChangeLog
from app.coherence.log.lease import LEASE_MAX_MS
from app.infra.memcache.server import Server
from app.local.memcached import Memcached
from loadtest.client_processes import ClientProcesses
from loadtest.curves.results import Point
from loadtest.processes import processor_seconds
from loadtest.statistics import percentile

FOLLOWERS = {True: (1, 10, 100, 300), False: (1, 10, 100, 300, 1_000)}
SECONDS = {True: 3.0, False: 8.0}
EACH = 250
"""Followers of one process, whose looks one core can make in time."""

CHANGES_A_SECOND = 50
MISSED = 2_000
"""Changes during a stall, which a worker reads afterwards; more than REACH would begin a new history instead."""


def measure(keep: Callable[[Point], None], *, quick: bool) -> None:
    """All look as often as a lease ends, while changes are published; then all catch up after a stall."""
    for followers in FOLLOWERS[quick]:
        with Memcached() as memcached:
            keep({"workers": followers} | _point(memcached, followers, SECONDS[quick]))


def _point(memcached: Memcached, followers: int, seconds: float) -> Point:
    log = ChangeLog(Server(memcached.address, 5.0))
    log.take(1)
    shares = [len(range(first, min(first + EACH, followers))) for first in range(0, followers, EACH)]
    with ClientProcesses("loadtest.curves.follower", len(shares)) as processes:
        _ordered(processes, [{"address": memcached.address, "followers": share} for share in shares])
        before = _traffic(memcached)
        with _changing(log):
            replies = _ordered(processes, [{"seconds": seconds, "interval_ms": LEASE_MAX_MS}] * len(shares))
        elapsed = max(each["seconds"] for each in replies)
        rates = {name: (value - before[name]) / elapsed for name, value in _traffic(memcached).items()}
        taken = [each for reply in replies for each in reply["taken_ms"]]
        return {
            "looks_a_second": len(taken) / elapsed,
            "wanted_a_second": followers * 1000 / LEASE_MAX_MS,
            "look_p50_ms": percentile(taken, 0.5),
            "look_p99_ms": percentile(taken, 0.99),
            "reads_a_second": rates["reads"],
            "kb_a_second": rates["bytes"] / 1000,
            "memcached_core": rates["seconds"],
        } | _after_a_stall(log, processes, len(shares))


def _after_a_stall(log: ChangeLog, processes: ClientProcesses, count: int) -> Point:
    """How long one worker, and all of them, need for what they have missed; and for more than they can read."""
    log.enter(log.take(MISSED), [f"user:{number}" for number in range(MISSED)])
    missed = _ordered(processes, [{"catch_up": True}] * count)
    log.take(REACH + 1)
    anew = _ordered(processes, [{"catch_up": True}] * count)
    taken = [each for reply in missed for each in reply["taken_ms"]]
    return {
        "catch_up_p50_ms": percentile(taken, 0.5),
        "catch_up_p99_ms": percentile(taken, 0.99),
        "all_caught_up_s": max(each["seconds"] for each in missed),
        "began_anew": float(sum(each["began_anew"] for each in anew)),
    }


def _ordered(processes: ClientProcesses, orders: list[dict[str, Any]]) -> list[dict[str, Any]]:
    processes.send(orders)
    return processes.replies()


def _traffic(memcached: Memcached) -> dict[str, float]:
    """memcached's counters of reads and of bytes in both directions, and its processor seconds."""
    with closing(Client(memcached.address)) as client:
        said = client.stats()
    assert memcached.process is not None, "it runs"  # noqa: S101
    return {
        "reads": said[b"cmd_get"],
        "bytes": said[b"bytes_read"] + said[b"bytes_written"],
        "seconds": processor_seconds(memcached.process.pid),
    }


@contextmanager
def _changing(log: ChangeLog) -> Iterator[None]:
    """Publishes changes at a steady rate."""
    ended = threading.Event()

    def publish() -> None:
        number = 0
        while not ended.wait(1 / CHANGES_A_SECOND):
            number += 1
            log.enter(log.take(1), [f"session:{number}"])

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
