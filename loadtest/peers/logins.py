"""Logins and registrations beside what bcrypt alone does in threads, logouts, and reads while too many logins come."""

import concurrent.futures
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace

import bcrypt

from app.config import Passwords
from loadtest.bed import ME, PASSWORD, Bed
from loadtest.openloop import Plan, Running
from loadtest.peers import drawing
from loadtest.peers.cold import counted
from loadtest.peers.reads import CONNECTIONS, in_turn
from loadtest.peers.results import BCRYPT, Measured, Sample, Target
from loadtest.peers.schedule import Schedule
from loadtest.peers.sides import Side, settle
from loadtest.wrk import Load, measure

HASHERS = 8  # connections that keep every bcrypt thread busy without filling its queue
FLOOD, FLOOD_CONNECTIONS = 5, 400
_PER_CORE = 20  # logins a second, at the utmost, by which the number of requests follows from the time


def flooded_profile(sides: Sequence[Side], schedule: Schedule) -> Measured:
    """Profiles in a closed loop while `FLOOD` times as many logins arrive as bcrypt could check at the time."""
    flood = FLOOD * _bcrypt_alone(schedule.login_s).per_second

    before: list[Side] = []

    def sample(side: Side, _: int) -> Sample:
        for each in before:
            settle(each)
        before[:] = [side]
        return _flooded(side, flood, schedule.flood_s)

    samples = in_turn(sides, schedule.flood_rounds, sample)
    return Measured("own profile under a login flood", samples, (Target("rate", 0.7),))


def logins(sides: Sequence[Side], schedule: Schedule) -> Measured:
    """Logins in a closed loop, and the bcrypt package alone in as many threads as there are cores."""
    count, requests = _hashes(schedule.login_s), drawing.logins()
    alone: list[Sample] = []

    def sample(side: Side, _: int) -> Sample:
        if side is sides[0]:
            alone.append(_bcrypt_alone(schedule.login_s))
        return counted(side, requests[:count], HASHERS)

    samples = in_turn(sides, schedule.rounds, sample)
    return Measured("login", samples | {BCRYPT: alone}, (Target("rate", 0.98, BCRYPT),))


def registrations(sides: Sequence[Side], schedule: Schedule) -> Measured:
    """Registrations in a closed loop, each of a new address."""
    count = _hashes(schedule.register_s)

    def sample(side: Side, number: int) -> Sample:
        return counted(side, drawing.registrations(f"new-{side.name}-{number}", count), HASHERS, 201)

    return Measured("register", in_turn(sides, schedule.rounds, sample))


def logouts(bed: Bed, sides: Sequence[Side], schedule: Schedule) -> Measured:
    """Logouts in a closed loop, each of a session whose token has not been used before."""
    url = bed.postgres.direct_url

    def sample(side: Side, _: int) -> Sample:
        return counted(side, drawing.logouts(side, url, schedule.logouts), CONNECTIONS, 204)

    return Measured("logout", in_turn(sides, schedule.rounds, sample))


def _hashes(seconds: float) -> int:
    return max(int(_PER_CORE * len(os.sched_getaffinity(0)) * seconds), 2 * HASHERS)


def _flooded(side: Side, flood: float, seconds: float) -> Sample:
    """Profiles a second; the processor time of an answer would be that of the logins."""
    plan = Plan(side.service.port, drawing.logins(), int(flood * (seconds + 10)), flood, FLOOD_CONNECTIONS)
    load = Load(side.service.port, [ME], side.tokens[0], seconds, CONNECTIONS)
    with Running(plan):
        measure(replace(load, seconds=1))
        done = measure(load)
    return Sample(done.per_second, 0, done.p50_ms, done.p99_ms)


def _bcrypt_alone(seconds: float) -> Sample:
    done = subprocess.run(
        [sys.executable, "-m", "loadtest.peers.logins", str(seconds)], capture_output=True, check=True
    )
    return Sample(**json.loads(done.stdout))


def checked_in_threads(seconds: float) -> Sample:
    """Passwords a second, and the processor time of one."""
    threads = len(os.sched_getaffinity(0))
    known = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(Passwords().bcrypt_cost))
    started, used = time.perf_counter(), time.process_time()

    def check() -> int:
        number = 0
        while time.perf_counter() - started < seconds:
            number += bcrypt.checkpw(PASSWORD.encode(), known)
        return number

    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        answers = sum(each.result() for each in [pool.submit(check) for _ in range(threads)])
    elapsed = time.perf_counter() - started
    return Sample(answers / elapsed, (time.process_time() - used) / answers * 1e6)


if __name__ == "__main__":
    print(json.dumps(asdict(checked_in_threads(float(sys.argv[1])))))
