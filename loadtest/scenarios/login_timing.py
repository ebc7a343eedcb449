"""Whether the response time of a failed login reveals that an address is registered."""

import random

from app.infra.tuning.fitness import UNLIMITED
from app.local.process import LocalError
from loadtest.bed import PASSWORD, Bed, Service
from loadtest.client import Connection, encoded
from loadtest.report import Row
from loadtest.scenarios import Effort
from loadtest.statistics import cropped, percentile, welch_t

ACCOUNTS = 200
CHEAP = 4  # bcrypt cost: the faster the hash, the more visible other differences
MIXED = (8, 6, 7)  # costs of one half of the accounts, of the other half, and of new hashes
MIXED_PART = 5  # these samples are divided by this, because they take longer
LIMIT = 4.5
CROP = 0.9
WARM_UP = 100
RECOVERY_GROUP = 3


def planned_s(effort: Effort) -> float:
    """Seconds that it takes on two idle cores."""
    return 20 + effort.samples * 0.02


def run(bed: Bed, effort: Effort) -> list[Row]:
    """Alternate both kinds in random order; without the slowest samples, differences too small to exploit show too."""
    bed.set_bcrypt_cost(CHEAP)
    rows = _compared(bed, (CHEAP, CHEAP), CHEAP, effort.samples)
    rows += _compared(bed, MIXED[:2], MIXED[2], effort.samples // MIXED_PART)
    rows += _recoveries(bed, effort.samples)
    bed.write_tuning({})
    bed.set_bcrypt_cost()
    return rows


def _recoveries(bed: Bed, samples: int) -> list[Row]:
    """No worker runs, so that both kinds of addresses find the same queue."""
    mail = {
        "MAIL_URL": "smtp://127.0.0.1:9?starttls=never",
        "MAIL_FROM": "bench@bench.example",
        "ACCOUNT_PAGES_URL": "http://bench.example/account",
    }
    with bed.service(ENVIRONMENT="development", **mail) as service:
        bed.tune(service, {"passwords": {"bcrypt_cost": CHEAP}, "limits": UNLIMITED})
        _register(service, range(ACCOUNTS), RECOVERY_GROUP)
        unknown, known = _sample(service, samples, RECOVERY_GROUP, "/api/v1/auth/recover", 202)
    t = abs(welch_t(*cropped(unknown, known, CROP)))
    return [
        Row(
            f"recovery, unknown : known address, {samples:,} each, without the slowest {1 - CROP:.0%}",
            f"|t| = {t:.1f}", f"< {LIMIT:g}", t < LIMIT,
        ),
    ]  # fmt: skip


def _compared(bed: Bed, costs: tuple[int, ...], present: int, samples: int) -> list[Row]:
    """`costs`: bcrypt costs of the accounts, in equal parts; `present`: the cost in force while measuring."""
    with bed.service(ENVIRONMENT="development") as service:
        for part, cost in enumerate(costs):
            bed.tune(service, {"passwords": {"bcrypt_cost": cost}})
            _register(service, range(part, ACCOUNTS, len(costs)), present)
        bed.tune(service, {"passwords": {"bcrypt_cost": present}})
        unknown, wrong = _sample(service, samples, present)
    t, quick = abs(welch_t(unknown, wrong)), abs(welch_t(*cropped(unknown, wrong, CROP)))
    medians = f"medians {percentile(unknown, 0.5):.3f} and {percentile(wrong, 0.5):.3f} ms"
    among = f", hashes of costs {' and '.join(map(str, costs))} at {present}" if len(set(costs)) > 1 else ""
    return [
        Row(
            f"login, unknown address : wrong password, {samples:,} each{among}",
            f"|t| = {t:.1f}, {medians}", f"< {LIMIT:g}", t < LIMIT,
        ),
        Row(f"the same without the slowest {1 - CROP:.0%}", f"|t| = {quick:.1f}"),
    ]  # fmt: skip


def _register(service: Service, numbers: range, group: int) -> None:
    for number in numbers:
        body = {"email": _address("known", group, number), "password": PASSWORD, "name": "Ada"}
        if (answer := service.ask("POST", "/api/v1/auth/register", body=body)).status != 201:
            raise LocalError(f"registering was answered with {answer.status}: {answer.body.decode()}")


def _sample(
    service: Service, samples: int, group: int, path: str = "/api/v1/auth/login", expected: int = 401
) -> tuple[list[float], list[float]]:
    """Milliseconds of failed logins, or of other requests: (unknown address, known one)."""
    connection = Connection(service.port)
    times: dict[str, list[float]] = {"other": [], "known": []}
    for number in range(WARM_UP + samples):
        kinds = list(times)
        random.shuffle(kinds)
        for kind in kinds:
            address = _address(kind, group, number % ACCOUNTS)
            body = {"email": address} | ({"password": "a long walk in the sun!"} if expected == 401 else {})
            answer = connection.exchange(encoded("POST", path, body=body))
            if answer.status != expected:
                raise LocalError(f"{path} was answered with {answer.status}: {answer.body.decode()}")
            times[kind].append(answer.seconds * 1000)
    connection.close()
    return times["other"][WARM_UP:], times["known"][WARM_UP:]


def _address(kind: str, group: int, number: int) -> str:
    """An address whose length is the same for all arguments."""
    return f"{kind}{group}{number:06d}@bench.example"
