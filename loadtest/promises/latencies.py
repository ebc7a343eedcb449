"""How long one client waits for a lookup, a registration and a login."""

from collections.abc import Sequence

from app.local.process import LocalError
from loadtest.bed import PASSWORD, Bed, Service
from loadtest.client import encoded
from loadtest.openloop import Plan, generate
from loadtest.promises.results import Promise
from loadtest.scenarios import Effort
from loadtest.statistics import percentile

CACHED_MS, DATABASE_MS, REGISTRATION_MS, LOGIN_MS = 0.5, 60.0, 120.0, 90.0
RATE, CONNECTIONS = 1_000, 16
FIRST_COLD = 101  # users before it are looked up by other measurements
COLD_MOST = 9_000


def run(bed: Bed, effort: Effort) -> list[Promise]:
    """Each in a closed loop on one connection; the cached lookup at a fixed rate of requests, too."""
    with bed.service() as service:
        token = service.login("user3@example.com")
        cached = [encoded("GET", f"/api/v1/users/{number}", token).decode() for number in range(1, 101)]
        last = FIRST_COLD + min(effort.samples, COLD_MOST)
        cold = [encoded("GET", f"/api/v1/users/{number}", token).decode() for number in range(FIRST_COLD, last)]
        _alone(service, cached, 500)
        hashed = max(effort.samples // 20, 25)
        return [
            _promise("cached lookup", CACHED_MS, _alone(service, cached, effort.samples)),
            _promise(f"the same at {RATE:,} requests/s", None, _paced(service, cached, 2 * effort.samples)),
            _promise("database lookup, each user for the first time", DATABASE_MS, _alone(service, cold, len(cold))),
            _promise("registration", REGISTRATION_MS, _alone(service, _registrations(hashed), hashed, 201)),
            _promise("login", LOGIN_MS, _alone(service, _logins(hashed), hashed)),
        ]


def _promise(what: str, target_ms: float | None, taken_ms: Sequence[float]) -> Promise:
    p50, p99 = percentile(taken_ms, 0.5), percentile(taken_ms, 0.99)
    measured = f"p50 {p50:.2f}, p99 {p99:.2f} ms ({len(taken_ms):,} requests)"
    if target_ms is None:
        return Promise(what, "", measured)
    return Promise(what, f"p50 <= {target_ms:g} ms", measured, p50 <= target_ms)


def _alone(service: Service, requests: Sequence[str], count: int, status: int = 200) -> list[float]:
    return _answered(Plan(service.port, requests, count, float("inf"), 1), status)


def _paced(service: Service, requests: Sequence[str], count: int) -> list[float]:
    return _answered(Plan(service.port, requests, count, RATE, CONNECTIONS), 200)


def _answered(plan: Plan, status: int) -> list[float]:
    """Milliseconds of each; raises LocalError unless all are answered with `status`."""
    outcome = generate(plan)
    if outcome.share(status) != 1:
        raise LocalError(f"every answer should have been {status}: {outcome.statuses}")
    return outcome.latencies_ms


def _registrations(count: int) -> list[str]:
    people = ({"email": f"new{number}@example.com", "password": PASSWORD, "name": "Ada"} for number in range(count))
    return [encoded("POST", "/api/v1/auth/register", body=each).decode() for each in people]


def _logins(count: int) -> list[str]:
    given = ({"email": f"user{number}@example.com", "password": PASSWORD} for number in range(1, count + 1))
    return [encoded("POST", "/api/v1/auth/login", body=each).decode() for each in given]
