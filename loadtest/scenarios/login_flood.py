"""Latency of profile reads while logins arrive at five times the rate that the worker can hash."""

from statistics import median

from app.local.process import LocalError
from loadtest.bed import ME, PASSWORD, Bed, Service
from loadtest.client import encoded
from loadtest.openloop import Outcome, Plan, Running, generate
from loadtest.report import Row
from loadtest.scenarios import Effort
from loadtest.statistics import percentile

FLOOD = 5
GREATEST_GROWTH = 3.0
READS_PER_SECOND = 400
HASHERS = 8  # connections that keep every bcrypt thread busy without filling its queue


def planned_s(effort: Effort) -> float:
    """Seconds that it takes on two idle cores."""
    return 5 + effort.seconds + _rounds(effort) * (3 * effort.seconds + 4)


def _rounds(effort: Effort) -> int:
    return (effort.rounds + 1) // 2


def run(bed: Bed, effort: Effort) -> list[Row]:
    """Measure idle and flooded in turn; latencies count from the time a request was due."""
    seconds = effort.seconds * 1.5
    with bed.service() as service:
        token = service.login("user3@example.com")
        logins = [_login(number) for number in range(1, 501)]
        generate(_reads(service, token, 1))
        capacity = _capacity(service, logins, effort)
        rounds = [
            (_idle(service, token, seconds), *_flooded(service, token, logins, capacity, seconds))
            for _ in range(_rounds(effort))
        ]
    idle, flooded = (median(_p99(each[side]) for each in rounds) for side in (0, 1))
    growth = flooded / idle
    floods = [each[2] for each in rounds]
    served, shed = (median(each.share(status) for each in floods) for status in (200, 503))
    late = max(percentile(each.late_ms, 0.99) for each in (*(r[0] for r in rounds), *(r[1] for r in rounds)))
    return [
        Row("logins one worker can hash", f"{capacity:.0f}/s (bcrypt cost 10)"),
        Row(f"flood of {FLOOD} times that", f"{served:.0%} logged in, {shed:.0%} told to come back (503)"),
        Row(
            "p99 of the profile, idle : flooded",
            f"{idle:.2f} : {flooded:.2f} ms = {growth:.1f}x (generator late by up to {late:.2f} ms)",
            f"<= {GREATEST_GROWTH:g}x",
            growth <= GREATEST_GROWTH,
        ),
    ]


def _login(number: int) -> str:
    body = {"email": f"user{number}@example.com", "password": PASSWORD}
    return encoded("POST", "/api/v1/auth/login", body=body).decode()


def _capacity(service: Service, logins: list[str], effort: Effort) -> float:
    """Maximum logins per second, measured in a closed loop."""
    count = int(20 * effort.seconds * 2)
    outcome = generate(Plan(service.port, logins, count, float("inf"), HASHERS))
    if outcome.share(200) != 1:
        raise LocalError(f"every login should have succeeded: {outcome.statuses}")
    return count / outcome.seconds


def _reads(service: Service, token: str, seconds: float) -> Plan:
    request = encoded("GET", ME, token).decode()
    return Plan(service.port, [request], int(READS_PER_SECOND * seconds), READS_PER_SECOND, connections=32)


def _idle(service: Service, token: str, seconds: float) -> Outcome:
    return _answered(generate(_reads(service, token, seconds)))


def _flooded(
    service: Service, token: str, logins: list[str], capacity: float, seconds: float
) -> tuple[Outcome, Outcome]:
    """Outcomes of (reads, logins); the flood begins before the reads and ends after them."""
    rate = FLOOD * capacity
    with Running(Plan(service.port, logins, int(rate * (seconds + 3)), rate, connections=400)) as flood:
        generate(_reads(service, token, 1))
        reads = _answered(generate(_reads(service, token, seconds)))
        return reads, flood.outcome()


def _answered(outcome: Outcome) -> Outcome:
    if outcome.share(200) != 1:
        raise LocalError(f"every profile should have been read: {outcome.statuses}")
    return outcome


def _p99(outcome: Outcome) -> float:
    return percentile(outcome.latencies_ms, 0.99)
