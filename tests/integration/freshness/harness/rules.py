"""The checker: pure functions from a record to its violations.

A write counts as done from its acknowledgement on, and may count from its start on; so what a search that overlaps it
shows may be from before or after it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.integration.freshness.harness.folds import CLOCK_NS, EARLY_NS, Folds, Stay
from tests.integration.freshness.harness.offers import number_of, places_in
from tests.integration.freshness.harness.queries import Key, Query
from tests.integration.freshness.harness.record import Firm, Offer, Page, Record, Timeline, Walk

CLOSED = "a posting was shown that had been closed or had expired"
STALE = "a posting was shown in another version than the acknowledged one"
RENAMED = "a company was shown with a former name"
VERIFIED = "a company was shown as verified when it was not, or the reverse"
UNFIT = "a search showed a posting that it does not match"
MISSED = "a search left out a posting that matches"
REPEATED = "a walk showed a posting twice"
MISORDERED = "a page showed postings in the wrong order"
MISCOUNTED = "a total is impossible"
UNFOLDED = "a posting was shown beside the near-duplicate that stands for it"
MISFOLDED = "a result named other near-duplicates than it stood for"
STRANGE = "an answer is impossible"


@dataclass(frozen=True, slots=True)
class Violation:
    """What was shown and cannot be, and where."""

    rule: str
    what: str

    def __str__(self) -> str:
        return f"{self.rule}\n    {self.what}"


def violations(record: Record, staleness_ms: int = 0) -> list[Violation]:
    """All violations of a run in which results of searches may be `staleness_ms` old, but not what they show."""
    judge = Judge(record, staleness_ms * 1_000_000)
    walks = [*record.walks, *record.probes]
    pages = [(walk.query, page) for walk in walks for page in walk.pages]
    found = [Violation(STRANGE, each) for each in record.strange]
    for query, page in [*pages, *((None, look.page) for look in record.looks)]:
        found += judge.shown(query, page)
    for look in record.looks:
        found += judge.missing(look.page, look.missing)
    for walk in walks:
        found += [*judge.missed(walk), *judge.repeated(walk), *judge.misordered(walk), *judge.miscounted(walk)]
    return found


class Judge:
    """A record with the indices that the rules use."""

    def __init__(self, record: Record, staleness_ns: int = 0) -> None:
        self._offers, self._staleness_ns = record.offers, staleness_ns
        self._by_id = {offer.id: offer for offer in record.offers.values() if offer.id}
        self._firms: dict[int, Firm] = {firm.id: firm for firm in record.firms}
        self._folds = Folds(record.offers.values())
        self._stays = list(self._folds.stays())
        self._found: dict[Query, list[tuple[Stay, Key]]] = {}

    def shown(self, query: Query | None, page: Page) -> Iterator[Violation]:
        """What each posting of a page shows, and whether it may be there."""
        for item in page.items:
            offer = self._offers.get(number_of(item))
            if offer is None or offer.id not in (0, item["id"]):
                yield _violation(STRANGE, item, page)
                continue
            open_then = offer.versions_at(page.start - CLOCK_NS, page.end)
            wrong = [each.differs(item) for each in open_then]
            if [] not in wrong:
                yield _violation(f"{STALE}: {min(wrong, key=len)}" if wrong else CLOSED, item, page, offer)
            elif query is not None:
                yield from self._folded(item, page, offer)
                if not self._may_match(query, offer, page):
                    yield _violation(f"{UNFIT}: {query}", item, page, offer)
            firm = self._firms.get(item["company"]["id"])
            names = [each.value for each in firm.name.possible(page.start, page.end)] if firm else []
            if firm and item["company"]["name"] not in names:
                yield _violation(RENAMED, item, page)
            if firm and item["company"]["verified"] not in _said(firm.verified, page.start, page.end):
                yield _violation(VERIFIED, item, page)

    def _folded(self, item: Mapping[str, Any], page: Page, offer: Offer) -> Iterator[Violation]:
        """Whether the result may stand for its near-duplicates, and names each of them that is open."""
        folds, since = self._folds, self._since(page)
        said = [each.value for each in offer.content.possible(since, page.end)]
        others = folds.others(offer)
        if all(each is None or folds.outranked(offer, each, since, page.end) for each in said):
            yield _violation(UNFOLDED, item, page, offer, *others)
        alike = [folds.holds(offer, each) for each in said]
        named = {each["id"]: each["places"] for each in item["also_at"]}
        known = {each.id: [each] for each in others if each.id}
        lost = [each for each in others if not each.id]
        wrong = [number for number in named if not self._may_name(known.get(number, lost), named[number], page)]
        if all(alike):
            sure = folds.surely(offer, since, page.end)
            wrong += [each.id for each in others if each.number in sure and each.id not in named]
        if wrong or (named and not any(alike)):
            yield _violation(f"{MISFOLDED}: {wrong or list(named)}", item, page, offer, *others)

    def _may_name(self, candidates: Iterable[Offer], places: Any, page: Page) -> bool:
        """Whether one of these may be named with these places; an unknown id is of a creation that got no answer."""
        return any(
            places in [places_in(each.cities) for each in other.versions_at(page.start - CLOCK_NS, page.end)]
            and any(
                self._folds.holds(other, each.value)
                for each in other.content.possible(self._since(page) - CLOCK_NS, page.end)
            )
            for other in candidates
        )

    def missing(self, page: Page, numbers: Iterable[int]) -> Iterator[Violation]:
        """Postings that were read by their ids and not shown although they were certainly open."""
        for number in numbers:
            offer = self._by_id[number]
            if offer.open_at(page.start, page.end, EARLY_NS) is not None:
                yield Violation(MISSED, f"posting {number}, {_told(page)}, {_versions(offer)}")

    def missed(self, walk: Walk) -> Iterator[Violation]:
        """Postings that stayed while some pages were read, whose place is on these pages, and that are not on them."""
        pages = walk.pages
        on_page = [{item["id"] for item in page.items} for page in pages]
        edges = [self._edges(walk.query, page) for page in pages]
        for stay, key in self._stays_of(walk.query):
            if stay.end < pages[0].start or stay.start > pages[-1].end:
                continue
            during = [n for n, page in enumerate(pages) if stay.start < self._since(page) and page.end < stay.end]
            if not during or any(stay.offer.id in on_page[n] for n in during):
                continue
            first, last = during[0], during[-1]
            begun = first == 0 or any(low is not None and low < key for low, _ in edges[first : last + 1])
            over = not pages[last].cursor or any(high is not None and high > key for _, high in edges[first : last + 1])
            if begun and over:
                what = f"posting {stay.offer.id} on pages {first} to {last} of {len(pages)} of {walk.query}"
                yield Violation(MISSED, f"{what}, {_told(pages[first])}, {_versions(stay.offer)}")

    def repeated(self, walk: Walk) -> Iterator[Violation]:
        """Postings on two places of a walk although what they are sorted by did not change in between."""
        seen: dict[int, Page] = {}
        for page in walk.pages:
            for item in page.items:
                before = seen.get(item["id"])
                if before is not None and self._key(walk.query, item, self._since(before), page.end) is not None:
                    yield _violation(f"{REPEATED}: {walk.query}", item, page)
                seen[item["id"]] = page

    def misordered(self, walk: Walk) -> Iterator[Violation]:
        for page in walk.pages:
            known = self._keys(walk.query, page)
            if known != sorted(known):
                yield Violation(MISORDERED, f"{walk.query}: {_told(page)}, keys {known}")

    def miscounted(self, walk: Walk) -> Iterator[Violation]:
        for page in walk.pages:
            if page.total is None:
                continue
            query = walk.query
            most = sum(self._may_match(query, offer, page) for offer in self._offers.values())
            least = sum(stay.start < self._since(page) and stay.end > page.end for stay, _ in self._stays_of(query))
            if not least <= page.total <= most:
                yield Violation(MISCOUNTED, f"{page.total}, not {least} to {most}, of {query}, {_told(page)}")

    def _since(self, page: Page) -> int:
        """The earliest time of which the result of a page may be."""
        return page.start - self._staleness_ns

    def _may_match(self, query: Query, offer: Offer, page: Page) -> bool:
        since = self._since(page)
        firm = self._firms.get(offer.company)
        if query.verified and firm and True not in _said(firm.verified, since, page.end):
            return False
        return any(
            query.matches(self._folds.spread(offer, each, since - CLOCK_NS, page.end)[1], offer.company)
            for each in offer.versions_at(since - CLOCK_NS, page.end)
            if not self._folds.outranked(offer, each, since, page.end)
        )

    def _keys(self, query: Query, page: Page) -> list[Key]:
        """What the postings of a page are sorted by, as far as that is known, in the order in which they are shown."""
        keys = [self._key(query, item, self._since(page), page.end) for item in page.items]
        return [key for key in keys if key is not None]

    def _edges(self, query: Query, page: Page) -> tuple[Key | None, Key | None]:
        """The least and the greatest key of what a page shows."""
        known = self._keys(query, page)
        return (min(known), max(known)) if known else (None, None)

    def _key(self, query: Query, item: Mapping[str, Any], start: int, end: int) -> Key | None:
        """What a posting is sorted by; None if that may have changed during the interval or is not known."""
        offer = self._by_id.get(item["id"])
        if offer is None or not offer.published_us:
            return None
        versions = [each.value for each in offer.content.possible(start, end) if each.value is not None]
        spread = (each for content in versions for each in self._folds.spread(offer, content, start, end))
        keys = {query.key(each, offer.published_us, offer.id) for each in spread}
        return keys.pop() if len(keys) == 1 else None

    def _stays_of(self, query: Query) -> list[tuple[Stay, Key]]:
        """When postings certainly were where a search finds them; none of one for verified companies, which change."""
        if query not in self._found:
            self._found[query] = [
                (stay, query.key(stay.content, stay.offer.published_us, stay.offer.id))
                for stay in self._stays
                if not query.verified and query.matches(stay.content, stay.offer.company)
            ]
        return self._found[query]


def _said(timeline: Timeline[bool], start: int, end: int) -> list[bool]:
    return [each.value for each in timeline.possible(start, end)]


def _violation(rule: str, item: Mapping[str, Any], page: Page, *offers: Offer) -> Violation:
    what = f"{item['id']} {item['title']!r} of {item['company']['name']!r}, {_told(page)}"
    return Violation(rule, ", ".join((what, *map(_versions, offers))))


def _told(page: Page) -> str:
    return f"read from {page.start} to {page.end} ns by {page.worker}"


def _versions(offer: Offer) -> str:
    """The last versions of a posting, each with the time of its write."""
    told = [
        (v.start, v.end, v.value and (v.value.title, v.value.cities, v.value.until))
        for v in offer.content.versions[-6:]
    ]
    return f"{offer.id} written {told}"
