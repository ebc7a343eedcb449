"""Logins beside what bcrypt alone does in threads on the same cores, and reads while more logins come than fit."""

import concurrent.futures
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

import bcrypt

from app.config import Passwords
from app.local.process import becomes_true
from loadtest.bed import ME, PASSWORD
from loadtest.client import encoded
from loadtest.openloop import Plan, Running, generate
from loadtest.peers.reads import CONNECTIONS, sampled
from loadtest.peers.results import BCRYPT, Measured, Sample, Target
from loadtest.peers.sides import FASTAPI, Side
from loadtest.scenarios import Effort
from loadtest.wrk import Load, measure

HASHERS = 8  # connections that keep every bcrypt thread busy without filling its queue
FLOOD, FLOOD_CONNECTIONS = 5, 400
_QUIET_S, _QUIET_SHARE, _QUIET_TIMEOUT_S = 0.5, 0.1, 30.0


def flooded_profile(sides: Sequence[Side], effort: Effort) -> Measured:
    """Profiles in a closed loop while `FLOOD` times as many logins arrive as bcrypt could check at the time."""
    flood = FLOOD * _bcrypt_alone(2 * effort.seconds).per_second
    taking = [side for side in sides if side.name != FASTAPI]
    samples: dict[str, list[Sample]] = {side.name: [] for side in taking}
    for number in range(effort.rounds):
        for side in taking if number % 2 == 0 else taking[::-1]:
            samples[side.name].append(Sample(_flooded(side, flood, effort.seconds), 0))
            becomes_true(lambda side=side: _quiet(side), _QUIET_TIMEOUT_S)  # type: ignore[misc]
    return Measured("own profile under a login flood", samples, (Target("rate", 0.7),))


def logins(sides: Sequence[Side], effort: Effort) -> Measured:
    """Logins in a closed loop, and the bcrypt package alone in as many threads as there are cores."""
    taking = [side for side in sides if side.name != FASTAPI]
    samples: dict[str, list[Sample]] = {name: [] for name in (*(side.name for side in taking), BCRYPT)}
    for number in range(effort.rounds):
        for side in taking if number % 2 == 0 else taking[::-1]:
            samples[side.name].append(_logged_in(side, 2 * effort.seconds))
        samples[BCRYPT].append(_bcrypt_alone(2 * effort.seconds))
    return Measured("login", samples, (Target("rate", 0.98, BCRYPT),))


def _flooded(side: Side, flood: float, seconds: float) -> float:
    """Profiles a second."""
    plan = Plan(side.service.port, _requests(), int(flood * (seconds + 10)), flood, FLOOD_CONNECTIONS)
    load = Load(side.service.port, [ME], side.tokens[0], seconds, CONNECTIONS)
    with Running(plan):
        measure(replace(load, seconds=1))
        return measure(load).per_second


def _quiet(side: Side) -> bool:
    """Whether the logins that were left have been given up."""
    before = side.service.processor_seconds()
    time.sleep(_QUIET_S)
    return side.service.processor_seconds() - before < _QUIET_SHARE * _QUIET_S


def _logged_in(side: Side, seconds: float) -> Sample:
    count = max(int(25 * seconds), 2 * HASHERS)

    def run() -> tuple[int, float]:
        outcome = generate(Plan(side.service.port, _requests(), count, float("inf"), HASHERS))
        if outcome.share(200) != 1:
            raise RuntimeError(f"every login at {side.name} should have succeeded: {outcome.statuses}")
        return count, count / outcome.seconds

    return sampled(side, run)


def _requests() -> list[str]:
    bodies = ({"email": f"user{number}@example.com", "password": PASSWORD} for number in range(1, 501))
    return [encoded("POST", "/api/v1/auth/login", body=body).decode() for body in bodies]


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
    found = checked_in_threads(float(sys.argv[1]))
    print(json.dumps({"per_second": found.per_second, "processor_us": found.processor_us}))
