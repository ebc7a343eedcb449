"""Whether the time of a refused login tells if the address is known."""

import random

from app.local.process import LocalError
from loadtest.bed import PASSWORD, Bed, Service
from loadtest.client import Connection, encoded
from loadtest.report import Row
from loadtest.scenarios import Effort
from loadtest.statistics import cropped, percentile, welch_t

ACCOUNTS = 200
CHEAP = {"passwords": {"bcrypt_cost": 4}}  # the less the hash takes, the more other differences show
LIMIT = 4.5
CROP = 0.9
WARM_UP = 100


def run(bed: Bed, effort: Effort) -> list[Row]:
    """Both kinds by turns in random order; without rare stalls smaller differences show than anybody could measure."""
    bed.write_tuning(CHEAP)
    with bed.service() as service:
        _register(service)
        unknown, wrong = _sample(service, effort.samples)
    bed.write_tuning({})
    t, quick = abs(welch_t(unknown, wrong)), abs(welch_t(*cropped(unknown, wrong, CROP)))
    medians = f"medians {percentile(unknown, 0.5):.3f} and {percentile(wrong, 0.5):.3f} ms"
    what = f"login, unknown address : wrong password, {effort.samples:,} each"
    return [
        Row(what, f"|t| = {t:.1f}, {medians}", f"< {LIMIT:g}", t < LIMIT),
        Row(f"the same without the slowest {1 - CROP:.0%}", f"|t| = {quick:.1f}"),
    ]


def _register(service: Service) -> None:
    for number in range(ACCOUNTS):
        body = {"email": _address("known", number), "password": PASSWORD, "name": "Ada"}
        if (answer := service.ask("POST", "/api/v1/auth/register", body=body)).status != 201:
            raise LocalError(f"registering was answered with {answer.status}: {answer.body.decode()}")


def _sample(service: Service, samples: int) -> tuple[list[float], list[float]]:
    """Milliseconds of refused logins with an unknown address, and with a wrong password."""
    connection = Connection(service.port)
    times: dict[str, list[float]] = {"other": [], "known": []}
    for number in range(WARM_UP + samples):
        kinds = list(times)
        random.shuffle(kinds)
        for kind in kinds:
            address = _address(kind, number % ACCOUNTS)
            body = {"email": address, "password": "a long walk in the sun!"}
            answer = connection.exchange(encoded("POST", "/api/v1/auth/login", body=body))
            if answer.status != 401:
                raise LocalError(f"a wrong login was answered with {answer.status}: {answer.body.decode()}")
            times[kind].append(answer.seconds * 1000)
    connection.close()
    return times["other"][WARM_UP:], times["known"][WARM_UP:]


def _address(kind: str, number: int) -> str:
    """Of the same length, whatever the kind and the number."""
    return f"{kind}{number:06d}@bench.example"
