"""Workers: requests a second of one and of two, on the same two cores as their load."""

from collections.abc import Callable

from loadtest.bed import ME, PASSWORD, Bed, Service
from loadtest.client import encoded
from loadtest.curves.results import Point
from loadtest.openloop import Plan, generate
from loadtest.promises.caching import OFF
from loadtest.wrk import Load
from loadtest.wrk import measure as loaded

WORKERS = (1, 2)
SECONDS = {True: 2, False: 8}
READ = 2_000
HASHERS, LOGINS_A_SECOND = 8, 40


def measure(keep: Callable[[Point], None], *, quick: bool) -> None:
    """Logins, cached reads, and reads without the worker's caches, which ask memcached."""
    seconds = SECONDS[quick]
    with Bed.opened() as bed:
        for workers in WORKERS:
            bed.write_tuning({})
            with bed.service(WORKERS=str(workers)) as service:
                token = service.login("user1@example.com")
                point = {"logins": _logins(service, seconds), "cached": _reads(service, token, [ME], seconds)}
            bed.write_tuning(OFF)
            with bed.service(WORKERS=str(workers)) as service:
                paths = [f"/api/v1/users/{number}" for number in range(1, READ + 1)]
                point["uncached"] = _reads(service, token, paths, seconds)
            keep({"workers": workers} | point)


def _logins(service: Service, seconds: int) -> float:
    bodies = ({"email": f"user{each}@example.com", "password": PASSWORD} for each in range(1, 501))
    requests = [encoded("POST", "/api/v1/auth/login", body=each).decode() for each in bodies]
    outcome = generate(Plan(service.port, requests, LOGINS_A_SECOND * seconds, float("inf"), HASHERS))
    return outcome.per_second(HASHERS) * outcome.share(200)


def _reads(service: Service, token: str, paths: list[str], seconds: int) -> float:
    loaded(Load(service.port, paths, token, 1))
    return loaded(Load(service.port, paths, token, seconds)).per_second
