"""How each fault is done to the bed; every function returns when the fault has ended."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import psycopg2

from app.local.postgres import Postgres
from app.local.process import LocalError, Process, Server, becomes_true
from tests.chaos.bed import LOG, MAIL, OTHER, PRIMARY, REPLICA, Bed
from tests.chaos.links import Weather

SLOW = Weather(delay_ms=50, bytes_per_s=250_000)
CUT = Weather(cut=True)
RUN_S, STOP_S = 0.05, 0.15
"""A slow process runs for a part of the time only."""
SEGMENTS = 5
"""Of WAL; fewer than PostgreSQL keeps for its replica (`wal_keep_size`)."""

Wait = Callable[[float], object]
"""Waits for a part of the time that a fault lasts; 1 is all of it."""
Inflict = Callable[[Bed, Wait], None]


def killed(server: Callable[[Bed], Server]) -> Inflict:
    def inflict(bed: Bed, wait: Wait) -> None:
        server(bed).kill()
        wait(1)
        server(bed).start()

    return inflict


def paused(server: Callable[[Bed], Server]) -> Inflict:
    def inflict(bed: Bed, wait: Wait) -> None:
        server(bed).pause()
        wait(1)
        server(bed).resume()

    return inflict


def weather(condition: Weather, *links: str) -> Inflict:
    def inflict(bed: Bed, wait: Wait) -> None:
        with bed.weather(condition, *links):
            wait(1)

    return inflict


def starved(pids: Callable[[Bed], list[int]]) -> Inflict:
    """Processes that run a quarter of the time."""

    def inflict(bed: Bed, wait: Wait) -> None:
        victims, over = pids(bed), threading.Event()
        thread = threading.Thread(target=_starve, args=(victims, over))
        thread.start()
        wait(1)
        over.set()
        thread.join()

    return inflict


def _starve(pids: list[int], over: threading.Event) -> None:
    while not over.is_set():
        with stopped(pids):
            over.wait(STOP_S)
        over.wait(RUN_S)


@contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    """The processes stand still within the block."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def kill_app_worker(bed: Bed, wait: Wait) -> None:
    os.kill(bed.pods[0].workers()[0], signal.SIGKILL)


def pause_app_worker(bed: Bed, wait: Wait) -> None:
    with stopped([bed.pods[0].workers()[0]]):
        wait(1)


def cut_off_pod(bed: Bed, wait: Wait) -> None:
    """The network of one pod: it reaches neither PostgreSQL nor its replica nor memcached."""
    with bed.weather(replace(CUT, sessions=bed.pods[0].sessions()), PRIMARY, REPLICA, LOG, OTHER):
        wait(1)


def cut_off_gateway(bed: Bed, wait: Wait) -> None:
    with bed.weather(replace(CUT, sessions=bed.gateway_sessions()), PRIMARY, LOG, OTHER):
        wait(1)


def slow_gateway(bed: Bed, wait: Wait) -> None:
    with bed.weather(replace(SLOW, sessions=bed.gateway_sessions()), PRIMARY, LOG, OTHER):
        wait(1)


def cut_off_task_worker(bed: Bed, wait: Wait) -> None:
    with bed.weather(replace(CUT, sessions=bed.worker_sessions()), PRIMARY, LOG, OTHER), bed.weather(CUT, MAIL):
        wait(1)


def slow_task_worker(bed: Bed, wait: Wait) -> None:
    with bed.weather(replace(SLOW, sessions=bed.worker_sessions()), PRIMARY, LOG, OTHER):
        wait(1)


def kill_task_worker(bed: Bed, wait: Wait) -> None:
    running(bed.worker.process).end(signal.SIGKILL)
    wait(1)
    bed.worker.start()


def pause_task_worker(bed: Bed, wait: Wait) -> None:
    with stopped([running(bed.worker.process).pid]):
        wait(1)


def fill_mail_disk(bed: Bed, wait: Wait) -> None:
    bed.mail.fill_disk()
    wait(1)
    bed.mail.free_disk()


def fill_primary_disk(bed: Bed, wait: Wait) -> None:
    """Fill PostgreSQL's file system, and need more of it; the server is started again if it has ended."""
    bed.disk.fill()
    need_wal(bed, wait)
    bed.disk.free()
    revive(bed.postgres)


def fill_replica_disk(bed: Bed, wait: Wait) -> None:
    bed.replica_disk.fill()
    need_wal(bed, wait)
    bed.replica_disk.free()
    revive(bed.replica)


def need_wal(bed: Bed, wait: Wait) -> None:
    """Use up the segments of WAL that the primary and the replica have in store, if it answers."""
    for _ in range(SEGMENTS):
        with suppress(psycopg2.Error):
            bed.postgres.execute("SELECT pg_switch_wal()")
        wait(1 / SEGMENTS)


def revive(server: Postgres) -> None:
    """Wait until it answers, and start it again whenever it has ended."""

    def answers() -> bool:
        if not running(server.process).alive:
            server.start()
        return server._answers()

    if not becomes_true(answers, 60.0):
        raise LocalError(f"{server.name} does not answer again")


def pooler(bed: Bed) -> Server:
    return bed.pods[0].pgbouncer


def running(process: Process | None) -> Process:
    assert process is not None
    return process
