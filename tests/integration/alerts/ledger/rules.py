"""What the ledger of alerts must say after a history of postings and searches, judged without the service's code.

The history is a sequence of steps, each committed before the next one begins. The model of a search is a word in the
title, a city or none, and whether the company must be verified.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Query:
    """Postings with `word` in their title, in `city` unless that is empty, and of a verified company if `verified`."""

    word: str
    city: str = ""
    verified: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """A cluster after a step: its words and the cities of its open postings; `opening` if the step opened one.

    `trusted` says whether its company is verified.
    """

    step: int
    opening: bool
    words: frozenset[str]
    cities: frozenset[str]
    trusted: bool = True

    def found(self, query: Query) -> bool:
        placed = query.city in self.cities if query.city else bool(self.cities)
        return placed and query.word in self.words and (self.trusted or not query.verified)


@dataclass(slots=True)
class Alerting:
    """A search: what it has looked for from each step on, None while it alerts nobody."""

    account: int
    epochs: list[tuple[int, Query | None]]


@dataclass(frozen=True, slots=True)
class Digest:
    """`total` postings are told of; it was made between two times, in seconds."""

    total: int
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Copy:
    """A mail that was received; `lost` if the client may not have been told, or was killed before it noted so."""

    body: bytes
    lost: bool


@dataclass(slots=True)
class Record:
    """The history, and what came of it.

    `times` says when each step began and ended. `sent` has (search, cluster, digest), `rounds` the accounts in the
    order in which they were served between two times at which all became due, `dropped` the digests that were not to
    be sent.
    """

    times: dict[int, tuple[float, float]] = field(default_factory=dict)

    clusters: dict[int, list[State]] = field(default_factory=dict)
    searches: dict[int, Alerting] = field(default_factory=dict)
    sent: list[tuple[int, int, int]] = field(default_factory=list)
    digests: dict[int, Digest] = field(default_factory=dict)
    rounds: list[list[int]] = field(default_factory=list)
    mails: dict[int, list[Copy]] = field(default_factory=dict)
    dropped: set[int] = field(default_factory=set)


def due(search: Alerting, states: Sequence[State]) -> bool:
    """Whether the cluster must have been alerted of: it began to be found under the last epoch, and still is."""
    since, query = search.epochs[-1]
    if query is None:
        return False
    for number in range(len(states) - 1, -1, -1):
        state = states[number]
        if state.step < since or not state.found(query):
            return False
        if state.opening or number == 0 or not states[number - 1].found(query):
            return True
    return False


def may(search: Alerting, states: Sequence[State]) -> bool:
    """Whether the cluster was found after a step of some epoch."""
    ends = [start for start, _ in search.epochs[1:]]
    spans = zip(search.epochs, [*ends, None], strict=True)
    return any(
        query is not None and state.step >= start and (end is None or state.step < end) and state.found(query)
        for (start, query), end in spans
        for state in states
    )


def held(record: Record, search: Alerting, states: Sequence[State], digest: Digest) -> bool:
    """Whether the cluster was found at some time while the digest was made."""

    def spans(starts: Sequence[int]) -> list[tuple[float, float]]:
        """From when to when what began with each step may have been seen."""
        ends = [record.times[step][1] for step in starts[1:]]
        return [(record.times[step][0], end) for step, end in zip(starts, [*ends, float("inf")], strict=True)]

    epochs = zip(search.epochs, spans([start for start, _ in search.epochs]), strict=True)
    known = list(zip(states, spans([state.step for state in states]), strict=True))
    return any(
        query is not None and state.found(query) and max(since, begun, digest.began) <= min(until, over, digest.ended)
        for (_, query), (since, until) in epochs
        for state, (begun, over) in known
    )


def violations(record: Record) -> list[str]:
    """Every promise that is broken."""
    return [*_ledger(record), *_mails(record), *_fairness(record.rounds)]


def _ledger(record: Record) -> Iterator[str]:
    told = Counter((search, cluster) for search, cluster, _ in record.sent)
    for pair, times in told.items():
        if times > 1:
            yield f"{pair} is in {times} digests"
        if pair[0] in record.searches and not may(record.searches[pair[0]], record.clusters[pair[1]]):
            yield f"{pair} was never found"
    for number, search in record.searches.items():
        for cluster, states in record.clusters.items():
            if due(search, states) and (number, cluster) not in told:
                yield f"{(number, cluster)} is missed"
    for number, cluster, by in record.sent:
        known = number in record.searches and by in record.digests
        if known and not held(record, record.searches[number], record.clusters[cluster], record.digests[by]):
            yield f"{(number, cluster)} was not found when digest {by} was made"
    told_by = Counter(digest for _, _, digest in record.sent)
    for digest in record.digests.keys() | told_by.keys():
        total = record.digests[digest].total if digest in record.digests else 0
        if total != told_by[digest]:
            yield f"digest {digest} tells of {total}, the ledger of {told_by[digest]}"


def _mails(record: Record) -> Iterator[str]:
    for digest in record.digests:
        copies = record.mails.get(digest, [])
        if not copies and digest not in record.dropped:
            yield f"digest {digest} was not mailed"
        if len({copy.body for copy in copies}) > 1:
            yield f"digest {digest} was mailed in different words"
        if any(not copy.lost for copy in copies[:-1]):
            yield f"digest {digest} was mailed {len(copies)} times without a lost answer"
    for stray in record.mails.keys() - record.digests.keys():
        yield f"mail {stray} belongs to no digest"


def _fairness(rounds: Iterable[Sequence[int]]) -> Iterator[str]:
    for served in rounds:
        first = {account: number for number, account in reversed(list(enumerate(served)))}
        for number, account in enumerate(served):
            waiting = [other for other, place in first.items() if place > number]
            if first[account] < number and waiting:
                yield f"account {account} was served twice while {waiting} waited"
