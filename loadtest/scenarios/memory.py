"""The memory of one worker whose caches are full, filled by real requests."""

import re
from pathlib import Path

from app.auth.tokens import AccessTokens
from app.infra.secrets.key_ring import KeyRing
from app.local.process import LocalError
from loadtest.bed import ME, Bed, Service
from loadtest.client import encoded
from loadtest.openloop import Generator, Plan
from loadtest.report import Row
from loadtest.scenarios import Effort
from loadtest.store import insert_sessions

USERS, BLACKLIST = 10_000, 50_000
LIMIT_MB = 150.0
NO_SESSION = 1_000_000_000  # no session has an id from here on


def planned_s(effort: Effort) -> float:
    """Seconds that it takes on two idle cores."""
    return 4 + (USERS + BLACKLIST) / 8_000


def run(bed: Bed, effort: Effort) -> list[Row]:
    """Each cached user has a live session and a cached token; each token of an ended session was sent once."""
    empty, full = fill(bed, insert_sessions(bed.postgres.direct_url, USERS))
    what = f"worker with {USERS:,} users and sessions, {BLACKLIST:,} blacklisted"
    return [
        Row("worker just started", f"{empty:.0f} MB resident"),
        Row(what, f"{full:.0f} MB resident", f"< {LIMIT_MB:g} MB", full < LIMIT_MB),
    ]


def fill(bed: Bed, sessions: list[tuple[int, int]], **variables: str) -> tuple[float, float]:
    """Megabytes of (a new worker, the same worker with full caches); `variables` are added to its environment."""
    dead = [(1, NO_SESSION + number) for number in range(BLACKLIST)]
    with bed.service(**variables) as service:
        service.login("user4@example.com")
        empty = resident_mb(service)
        _use(bed, service, dead, expected=401)
        _use(bed, service, sessions, expected=200)
        return empty, resident_mb(service)


def resident_mb(service: Service) -> float:
    """Resident memory in 10^6 bytes, including pages shared with the master."""
    status = Path(f"/proc/{service.worker()}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) * 1024 / 1e6


def _use(bed: Bed, service: Service, sessions: list[tuple[int, int]], expected: int) -> None:
    """Read the profile once with a token of each (user, session)."""
    settings = bed.settings
    assert settings.keys_dir is not None, "required by load_settings"  # noqa: S101
    tokens = AccessTokens(KeyRing(settings.keys_dir, settings.jwt_algorithm, settings.signing_kid), settings)
    requests = [encoded("GET", ME, tokens.issue(user_id, session_id)).decode() for user_id, session_id in sessions]
    plan = Plan(service.port, requests, len(requests), rate=float("inf"), connections=16)
    outcome = Generator(plan).run()
    if outcome.share(expected) != 1:
        raise LocalError(f"every answer should have been {expected}: {outcome.statuses}")
