"""Which requests are sent: users by Zipf's law, and the mix of reads and writes."""

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass

from loadtest.bed import ME, PASSWORD
from loadtest.client import encoded
from loadtest.peers.sides import Side
from loadtest.store import insert_sessions
from loadtest.wrk import Drawn

EXPONENT = 0.99
"""Of Zipf's law, as in YCSB (Cooper et al., Benchmarking Cloud Serving Systems with YCSB, 2010)."""

SHARES = {
    "own": 4500, "public": 1000, "batch": 300, "page": 2700, "search": 1486, "login": 10, "register": 2, "logout": 2,
}  # fmt: skip
"""Requests of each kind in 10,000."""

_SEED = 11
_WHO_LOG_IN = range(2_001, 7_001)
_WRITES = ("login", "register", "logout")


def zipf(number: int, draws: int, chance: random.Random) -> list[int]:
    """`draws` of the numbers from 0 to `number` - 1, of which 0 is the most frequent."""
    weights = itertools.accumulate(1 / rank**EXPONENT for rank in range(1, number + 1))
    return chance.choices(range(number), cum_weights=list(weights), k=draws)


def own_profiles(side: Side, draws: int) -> Drawn:
    """Each with the token of a user by Zipf's law."""
    requests = [encoded("GET", ME, token).decode() for token in side.tokens]
    return Drawn(requests, zipf(len(requests), draws, random.Random(_SEED)))


def logins() -> list[str]:
    """Of so many users that none comes to more sessions than our service lets a user have."""
    bodies = ({"email": f"user{number}@example.com", "password": PASSWORD} for number in _WHO_LOG_IN)
    return [encoded("POST", "/api/v1/auth/login", body=each).decode() for each in bodies]


def registrations(label: str, count: int) -> list[str]:
    """Of new accounts; no other `label` has the same addresses."""
    bodies = (
        {"email": f"{label}-{number}@example.com".lower(), "password": PASSWORD, "name": "Ada Byron"}
        for number in range(count)
    )
    return [encoded("POST", "/api/v1/auth/register", body=each).decode() for each in bodies]


def logouts(side: Side, direct_url: str, count: int) -> list[str]:
    """Each of a new session, which has not been used."""
    tokens = side.sign(insert_sessions(direct_url, count))
    return [encoded("POST", "/api/v1/auth/logout", token).decode() for token in tokens]


@dataclass(frozen=True)
class Reads:
    """Paths of the reads that are mixed."""

    profiles: Sequence[str]
    batches: Sequence[str]
    pages: Sequence[str]
    searches: Sequence[str]


def mixed(side: Side, reads: Reads, direct_url: str, label: str, count: int) -> Drawn:
    """`count` requests in the proportions of SHARES; registrations and logouts occur once each."""
    chance = random.Random(_SEED)
    kinds = list(itertools.chain.from_iterable([kind] * share for kind, share in SHARES.items()))
    chance.shuffle(kinds)
    drawn = [kinds[number % len(kinds)] for number in range(count)]
    asked = {kind: drawn.count(kind) for kind in SHARES}
    token = side.tokens[0]
    requests = {
        "own": [encoded("GET", ME, each).decode() for each in side.tokens],
        "public": _gets(reads.profiles, token),
        "batch": _gets(reads.batches, token),
        "page": _gets(reads.pages),
        "search": _gets(reads.searches),
        "login": logins(),
        "register": registrations(label, asked["register"]),
        "logout": logouts(side, direct_url, asked["logout"]),
    }
    first = dict(zip(requests, itertools.accumulate(map(len, requests.values()), initial=0), strict=False))
    numbers = {kind: iter(_numbers(kind, len(each), asked[kind], chance)) for kind, each in requests.items()}
    order = [first[kind] + next(numbers[kind]) for kind in drawn]
    return Drawn(list(itertools.chain.from_iterable(requests.values())), order)


def _numbers(kind: str, number: int, draws: int, chance: random.Random) -> list[int]:
    if kind in _WRITES:
        return [each % number for each in range(draws)] if number else []
    return zipf(number, draws, chance)


def _gets(paths: Sequence[str], token: str = "") -> list[str]:
    return [encoded("GET", path, token).decode() for path in paths]
