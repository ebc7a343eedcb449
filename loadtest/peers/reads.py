"""Reads that are measured in a closed loop: which requests, and the rounds."""

import itertools
import random
import urllib.parse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from app.config import Passwords, Tuning
from app.infra.postgres.database import Database
from app.jobs.upkeep.store import UpkeepStore
from app.local.process import LocalError
from app.local.seed.jobs import add_jobs
from app.local.seed.postings import Catalogue, Period
from app.local.seed.users import add_recruiters
from loadtest.bed import ME, USERS, Bed
from loadtest.peers.results import CHEAPER, Measured, Sample, Target
from loadtest.peers.sides import FASTAPI, Side
from loadtest.scenarios import Effort
from loadtest.search.queries import Queries, sources_of
from loadtest.wrk import Load, measure

CONNECTIONS = 32
JOBS, PAGES, SEARCHES, BATCHES, BATCH = 2_000, 100, 20, 50, 100
WARM_UP_S = 10.0
_SEED = 7


@dataclass(frozen=True)
class Work:
    """Requests that are sent in turn, with one token, with all tokens in turn, or without any."""

    name: str
    paths: Sequence[str]
    tokens: int
    targets: Sequence[Target] = CHEAPER

    def load(self, side: Side, seconds: float) -> Load:
        token = side.tokens[0] if self.tokens == 1 else ""
        several = side.tokens if self.tokens > 1 else ()
        return Load(side.service.port, self.paths, token, seconds, CONNECTIONS, several)

    @property
    def requests(self) -> int:
        return max(len(self.paths), self.tokens)


def works(bed: Bed, sides: Sequence[Side]) -> list[Work]:
    """Adds postings to the database first. Searches for which one side finds nothing are left out, as stop words."""
    ours, answering = sides[0], [side for side in sides if side.name != FASTAPI]
    drawn = add_postings(bed, 2 * SEARCHES)
    searches = [path for path in drawn if all(_finds(side, path) for side in answering)][:SEARCHES]
    pages = open_pages(ours)
    tokens, chance = len(ours.tokens), random.Random(_SEED)
    profiles = [f"/api/v1/users/{number}" for number in chance.sample(range(1, USERS + 1), PAGES)]
    batches = [",".join(map(str, chance.sample(range(1, USERS + 1), BATCH))) for _ in range(BATCHES)]
    return [
        Work("own profile, one token", [ME], 1),
        Work(f"own profile, {tokens:,} tokens", [ME], tokens),
        Work(f"public profile, {PAGES} users", profiles, 1, ()),
        Work(f"batch of {BATCH}, {BATCHES} lists", [f"/api/v1/users/batch?ids={ids}" for ids in batches], 1,
             (Target("rate", 1.25),)),
        Work(f"open job page, {PAGES} pages", pages, 0),
        Work(f"repeated search, {len(searches)} searches", searches, 0),
    ]  # fmt: skip


def measured(work: Work, sides: Sequence[Side], effort: Effort) -> Measured:
    """Rounds in turn while the other sides idle; the side that begins changes from round to round."""
    taking = [side for side in sides if side.name != FASTAPI or work.paths == [ME]]
    for side in taking:
        _check(work, side)
        _warm_up(work, side)
    samples: dict[str, list[Sample]] = {side.name: [] for side in taking}
    for number in range(effort.rounds):
        first = number % len(taking)
        for side in taking[first:] + taking[:first]:
            samples[side.name].append(_sample(work, side, effort.seconds))
    return Measured(work.name, samples, work.targets)


def sampled(side: Side, run: Callable[[], tuple[int, float]]) -> Sample:
    """What `run` does, which returns (answers, answers a second), with the processor time of an answer."""
    before = side.service.processor_seconds()
    answers, per_second = run()
    return Sample(per_second, (side.service.processor_seconds() - before) / answers * 1e6)


def _sample(work: Work, side: Side, seconds: float) -> Sample:
    def run() -> tuple[int, float]:
        done = measure(work.load(side, seconds))
        return done.answers, done.per_second

    return sampled(side, run)


def _check(work: Work, side: Side) -> None:
    """Raises LocalError unless every request finds something."""
    token = side.tokens[0] if work.tokens else ""
    for path in work.paths:
        answer = side.service.ask("GET", path, token)
        if answer.status != 200 or (found := answer.json()).get("missing") or found.get("items") == []:
            raise LocalError(f"{side.name} answered {path} with {answer.status}: {answer.body[:200]!r}")


def _finds(side: Side, path: str) -> bool:
    return bool(side.service.ask("GET", path).json().get("items"))


def _warm_up(work: Work, side: Side) -> None:
    """Send every request twice, if that takes at most some seconds."""
    done = measure(work.load(side, 1))
    missing = 2 * work.requests - done.answers
    if missing > 0:
        measure(replace(work.load(side, 1), seconds=min(WARM_UP_S, 1.2 * missing / done.per_second + 1)))


def open_pages(ours: Side) -> list[str]:
    """The paths of the newest postings."""
    found = ours.service.ask("GET", f"/api/v1/jobs?limit={PAGES}&fields=title").json()["items"]
    return [f"/api/v1/jobs/{each['id']}" for each in found]


def add_postings(bed: Bed, searches: int = SEARCHES) -> list[str]:
    """The paths of so many searches in a small new catalogue, which is added."""
    url, now = bed.postgres.direct_url, datetime.now(UTC)
    database = Database(url, Tuning().database, prepared=False)
    nobody = b"$2b$%02d$" % Passwords().bcrypt_cost + b"x" * 53
    period = Period(now - timedelta(days=45), now, now)
    add_jobs(url, Catalogue(_SEED, JOBS, period), partial(add_recruiters, database, password_hash=nobody))
    UpkeepStore(database).count()
    database.close()
    queries = Queries(sources_of(url), random.Random(_SEED))
    drawn = (queries.words(1 + number % 2) for number in itertools.count())
    plain = (each for each in drawn if each["q"][0].isascii())  # the Rust peer compares accents
    return [
        f"/api/v1/jobs?limit=20&{urllib.parse.urlencode(each, doseq=True)}"
        for each in itertools.islice(plain, searches)
    ]
