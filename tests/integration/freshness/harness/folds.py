"""Near-duplicates: which posting of a cluster searches show at what time, and where it is found."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from tests.integration.freshness.harness.offers import Content
from tests.integration.freshness.harness.record import FOREVER, Offer

Cluster = tuple[int, Content]
CLOCK_NS = 2_000_000
"""How far the clocks of the test and of the service may be read apart."""
EARLY_NS = 1_000_000_000
"""How long before its end a posting may be left out.

A worker counts the time that is left from before its question to PostgreSQL, so that nothing is shown after its end:
a question that takes long makes the posting end so much earlier there.
"""


@dataclass(frozen=True, slots=True)
class Stay:
    """A time in ns during which a posting was certainly shown, as `content`, which has every place of its cluster."""

    start: int
    end: int
    content: Content
    offer: Offer


class Folds:
    """The clusters of a record.

    A cluster is named by its company and what its postings said when they were first opened; who says something else
    later is shown by itself.
    """

    def __init__(self, offers: Iterable[Offer]) -> None:
        self._cluster: dict[int, Cluster] = {}
        self._members: dict[Cluster, list[Offer]] = defaultdict(list)
        for offer in offers:
            if (first := offer.first) is not None:
                cluster = self._cluster[offer.number] = (offer.company, first.fingerprint)
                self._members[cluster].append(offer)

    def others(self, offer: Offer) -> list[Offer]:
        """The other postings that have ever been in its cluster."""
        cluster = self._cluster.get(offer.number)
        return [] if cluster is None else [each for each in self._members[cluster] if each is not offer]

    def holds(self, offer: Offer, content: Content | None) -> bool:
        """Whether it resembles its cluster, saying this."""
        cluster = self._cluster.get(offer.number)
        return content is not None and cluster is not None and content.fingerprint == cluster[1]

    def surely(self, offer: Offer, start: int, end: int) -> dict[int, Content]:
        """What the others that are certainly open and like it say throughout the interval, by number."""
        found = {each.number: each.open_at(start, end, EARLY_NS) for each in self.others(offer)}
        return {number: said for number, said in found.items() if said is not None and self._alike(number, said)}

    def outranked(self, offer: Offer, content: Content, start: int, end: int) -> bool:
        """Whether another one, which is open longer, certainly stands for it throughout the interval."""
        others = {each.number: each.id for each in self.others(offer)}
        if not others or not self.holds(offer, content):
            return False
        sure = self.surely(offer, start, end)
        rank = content.ends, offer.id or FOREVER  # an id that is not known may be greater than any other
        return any((said.ends, others[number]) > rank for number, said in sure.items())

    def spread(self, offer: Offer, content: Content, start: int, end: int) -> tuple[Content, Content]:
        """The content with the places at which it was certainly found, and with those at which it may have been.

        The places of one that has expired count until the service removes them, which may take some seconds.
        """
        if not (others := self.others(offer)) or not self.holds(offer, content):
            return content, content
        sure = self.surely(offer, start, end).values()
        possible = [
            version.value
            for each in others
            for version in each.content.possible(start, end)
            if version.value is not None and self.holds(each, version.value)
        ]
        return _joined(content, sure), _joined(content, possible)

    def stays(self) -> Iterator[Stay]:
        """When postings were certainly shown, and where they were found."""
        for offer in (each for several in self._members.values() for each in several if each.published_us):
            versions = offer.content.versions
            for number, version in enumerate(versions):
                if version.value is None or version.end == FOREVER:
                    continue
                later = versions[number + 1].start if number + 1 < len(versions) else FOREVER
                end = min(later, version.value.until - EARLY_NS)
                if version.end < end:
                    yield from self._parts(Stay(version.end, end, version.value, offer))

    def _parts(self, stay: Stay) -> Iterator[Stay]:
        """The parts of a stay during which none of the others changed, and none stood for it."""
        others = self.others(stay.offer)
        if not others or not self.holds(stay.offer, stay.content):
            yield stay
            return
        changes = {moment for each in others for moment in _changes(each) if stay.start < moment < stay.end}
        for start, end in pairwise(sorted({stay.start, stay.end, *changes})):
            settled = all(each.content.certain(start + 1, end - 1) is not None for each in others)
            if settled and not self.outranked(stay.offer, stay.content, start + 1, end - 1):
                least, most = self.spread(stay.offer, stay.content, start + 1, end - 1)
                if set(least.cities) == set(most.cities):
                    yield Stay(start, end, least, stay.offer)

    def _alike(self, number: int, content: Content) -> bool:
        return content.fingerprint == self._cluster[number][1]


def _joined(content: Content, others: Iterable[Content]) -> Content:
    cities = dict.fromkeys((*content.cities, *(city for each in others for city in each.cities)))
    return replace(content, cities=tuple(cities))


def _changes(offer: Offer) -> Iterator[int]:
    """When something may begin or end to be true of it."""
    for version in offer.content.versions:
        yield from (version.start, version.end)
        if version.value is not None:
            yield version.value.until - EARLY_NS
