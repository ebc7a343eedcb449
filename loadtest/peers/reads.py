"""Works in a closed loop of wrk: which requests, and the rounds."""

import itertools
import random
import urllib.parse
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import ClassVar

from app.config import Passwords, Tuning
from app.infra.postgres.database import Database
from app.jobs.upkeep.store import UpkeepStore
from app.local.process import LocalError
from app.local.seed.jobs import AlreadyThere, add_jobs
from app.local.seed.postings import Catalogue, Period
from app.local.seed.users import add_recruiters
from loadtest.bed import ME, USERS, Bed
from loadtest.client import encoded
from loadtest.openloop import Plan, generate
from loadtest.peers.drawing import EXPONENT, Reads, mixed, own_profiles
from loadtest.peers.results import CHEAPER, FASTAPI_SLOWER, Measured, Sample, Target
from loadtest.peers.sides import OURS, RUST, Side, settle
from loadtest.search.queries import Queries, sources_of
from loadtest.wrk import Load, measure

CONNECTIONS = 32
FEWEST = 200  # requests of a warm-up
KEEPING_PROFILES = (OURS, RUST)
JOBS, PAGES, SEARCHES, BATCHES, BATCH = 2_000, 100, 20, 50, 100
OWN = "own profile, one token"
PUBLIC = f"public profile, {PAGES} users"
BATCHED = f"batch of {BATCH}, {BATCHES} lists"
MIXED_MOST, MIXED_FIRST = 35_000, 30_000
"""Requests a second, and at once, for which the mix has registrations and logouts: its logins allow no more on two
cores once every connection waits for one."""

_DRAWS = 50_000
_SEED = 7


@dataclass(frozen=True)
class Work:
    """Requests that are sent in turn, with one token, with all tokens in turn, or without any."""

    name: str
    paths: Sequence[str]
    tokens: int
    targets: Sequence[Target] = CHEAPER
    settles: ClassVar[bool] = False

    def load(self, side: Side, seconds: float) -> Load:
        token = side.tokens[0] if self.tokens == 1 else ""
        several = side.tokens if self.tokens > 1 else ()
        return Load(side.service.port, self.paths, token, seconds, CONNECTIONS, several)

    def first(self, side: Side) -> Load:
        """What is sent to warm up."""
        return Work.load(self, side, 1)


class ByZipf(Work):
    """Own profiles with the tokens of users by Zipf's law."""

    def load(self, side: Side, seconds: float) -> Load:
        return replace(super().load(side, seconds), drawn=own_profiles(side, _DRAWS))

    def first(self, side: Side) -> Load:
        """A few tokens where a side keeps nothing of a profile."""
        load = super().first(side)
        return load if side.name in KEEPING_PROFILES else replace(load, tokens=load.tokens[:FEWEST])


@dataclass(frozen=True)
class Mixed(Work):
    """Reads and writes in the proportions of `drawing.SHARES`; each load has registrations and logouts of its own.

    A connection for which a password is checked sends nothing meanwhile, so at the end up to `CONNECTIONS` logins are
    without an answer; their processor time is counted.
    """

    settles: ClassVar[bool] = True

    reads: Reads | None = None
    direct_url: str = ""

    def load(self, side: Side, seconds: float) -> Load:
        assert self.reads is not None, "required"  # noqa: S101
        label = f"mixed-{side.name}-{next(_numbers)}"
        drawn = mixed(side, self.reads, self.direct_url, label, MIXED_FIRST + int(seconds * MIXED_MOST))
        return replace(super().load(side, seconds), drawn=drawn)


_numbers = itertools.count()


def works(bed: Bed, sides: Sequence[Side], searches: Sequence[str]) -> list[Work]:
    """Those of which the answers are kept where a side keeps any."""
    pages, tokens = open_pages(sides[0]), len(sides[0].tokens)
    chance = random.Random(_SEED)
    profiles = [f"/api/v1/users/{number}" for number in chance.sample(range(1, USERS + 1), PAGES)]
    batches = [",".join(map(str, chance.sample(range(1, USERS + 1), BATCH))) for _ in range(BATCHES)]
    lists = [f"/api/v1/users/batch?ids={ids}" for ids in batches]
    return [
        Work(OWN, [ME], 1, (*CHEAPER, FASTAPI_SLOWER)),
        ByZipf(f"own profile, {tokens:,} users by Zipf's law ({EXPONENT:g})", [ME], tokens),
        Work(PUBLIC, profiles, 1, ()),
        Work(BATCHED, lists, 1, (Target("rate", 1.25),)),
        Work(f"open job page, {PAGES} pages", pages, 0),
        Work(f"repeated search, {len(searches)} searches", searches, 0),
        Mixed("mixed", [ME], 1, (), Reads(profiles, lists, pages, searches), bed.postgres.direct_url),
    ]


def measured(work: Work, sides: Sequence[Side], rounds: int, seconds: float) -> Measured:
    """Rounds in turn while the other sides idle; the side that begins changes from round to round."""
    for side in sides:
        _check(work, side)
        _warm_up(work, side)
    samples = in_turn(sides, rounds, lambda side, _: _sample(work, side, seconds))
    return Measured(work.name, samples, work.targets)


def in_turn(sides: Sequence[Side], rounds: int, sample: Callable[[Side, int], Sample]) -> dict[str, list[Sample]]:
    """What `sample` of a side and the round's number gives, of each side in each round."""
    samples: dict[str, list[Sample]] = {side.name: [] for side in sides}
    for number in range(rounds):
        first = number % len(sides)
        for side in [*sides[first:], *sides[:first]]:
            samples[side.name].append(sample(side, number))
    return samples


def sampled(side: Side, run: Callable[[], tuple[int, Sample]]) -> Sample:
    """What `run` does, which returns the number of answers too, with the processor time of an answer."""
    before = side.service.processor_seconds()
    answers, sample = run()
    return replace(sample, processor_us=(side.service.processor_seconds() - before) / answers * 1e6)


def _sample(work: Work, side: Side, seconds: float) -> Sample:
    load = work.load(side, seconds)

    def run() -> tuple[int, Sample]:
        done = measure(load)
        if work.settles:
            settle(side)
        return done.answers, Sample(done.per_second, 0, done.p50_ms, done.p99_ms)

    return sampled(side, run)


def _check(work: Work, side: Side) -> None:
    """Raises LocalError unless every request finds something."""
    token = side.tokens[0] if work.tokens else ""
    for path in work.paths:
        answer = side.service.ask("GET", path, token)
        if answer.status != 200 or (found := answer.json()).get("missing") or found.get("items") == []:
            raise LocalError(f"{side.name} answered {path} with {answer.status}: {answer.body[:200]!r}")


def _found(side: Side, path: str) -> int:
    return len(side.service.ask("GET", path).json()["items"])


def _warm_up(work: Work, side: Side) -> None:
    """Send every request twice; at least so many that threads and connections are there."""
    load = work.first(side)
    tokens = load.tokens or [load.token]
    count = max(2 * max(len(load.paths), len(tokens)), FEWEST)
    each = zip(range(count), itertools.cycle(load.paths), itertools.cycle(tokens), strict=False)
    requests = [encoded("GET", path, token).decode() for _, path, token in each]
    outcome = generate(Plan(load.port, requests, count, float("inf"), CONNECTIONS))
    if outcome.share(200) != 1:
        raise LocalError(f"{side.name} should have answered every request of {work.name}: {outcome.statuses}")


def found_by_all(sides: Sequence[Side], searches: Sequence[str]) -> list[str]:
    """The first searches that every side answers with as many postings; the peers know no languages."""
    found = ({_found(side, path) for side in sides} for path in searches)
    same = (path for path, counts in zip(searches, found, strict=True) if len(counts) == 1 and counts != {0})
    return list(itertools.islice(same, SEARCHES))


def open_pages(ours: Side) -> list[str]:
    """The paths of the newest postings."""
    found = ours.service.ask("GET", f"/api/v1/jobs?limit={PAGES}&fields=title").json()["items"]
    return [f"/api/v1/jobs/{each['id']}" for each in found]


def add_postings(bed: Bed, searches: int = SEARCHES, jobs: int = JOBS) -> list[str]:
    """The paths of so many different searches in a small catalogue, which is added unless it is there."""
    url, now = bed.postgres.direct_url, datetime.now(UTC)
    database = Database(url, Tuning().database, prepared=False)
    nobody = b"$2b$%02d$" % Passwords().bcrypt_cost + b"x" * 53
    period = Period(now - timedelta(days=45), now, now)
    with suppress(AlreadyThere):
        add_jobs(url, Catalogue(_SEED, jobs, period), partial(add_recruiters, database, password_hash=nobody))
        UpkeepStore(database).count()
    database.close()
    queries = Queries(sources_of(url), random.Random(_SEED))
    drawn = (queries.words(1 + number % 2) for number in itertools.count())
    plain = (each for each in drawn if each["q"][0].isascii())  # the Rust peer compares accents
    found: dict[str, None] = {}
    while len(found) < searches:
        found[f"/api/v1/jobs?limit=20&{urllib.parse.urlencode(next(plain), doseq=True)}"] = None
    return list(found)
