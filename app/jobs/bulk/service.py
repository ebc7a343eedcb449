"""Writes the new, changed and ended postings of an import in one transaction, and settles the clusters they touch."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from msgspec.structs import replace

from app.coherence import Coherence
from app.errors import NotFound
from app.infra.postgres.database import Database, Transaction
from app.jobs.bulk import store
from app.jobs.bulk.store import Member, Shown
from app.jobs.bulk.words.store import WordIndex
from app.jobs.bulk.words.vocabulary import Vocabulary
from app.jobs.codes.salaries import Rates
from app.jobs.indexing import (
    NamedValue,
    Texts,
    Unnumbered,
    fingerprint_of,
    indexed,
    named_values,
    texts_at,
    texts_of,
)
from app.jobs.schemas import Place, Posting
from app.jobs.store import PostingStore, find_all_in, keys, numbers_of

Within = Callable[[Transaction, Sequence[int]], None]


@dataclass
class Bulk:
    """What is to be written of one company: new postings have id 0, and ended ones are given by id."""

    company_id: int
    new: list[Posting] = field(default_factory=list)
    changed: list[tuple[Posting, Posting]] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)

    @property
    def written(self) -> list[Posting]:
        return [*self.new, *(after for _, after in self.changed)]


class BulkWriter:
    """Each call of `write` is one transaction and one publication."""

    def __init__(self, database: Database, postings: PostingStore, coherence: Coherence, rates: Rates) -> None:
        self._database, self._postings, self._coherence, self._rates = database, postings, coherence, rates
        self._vocabulary = Vocabulary()
        self.words = WordIndex(database)

    def find_many(self, posting_ids: Sequence[int]) -> dict[int, Posting]:
        """Postings in whatever state, by id."""
        found = self._postings.list_by_ids(posting_ids) if posting_ids else {}
        return {number: posting for number, (posting, _) in found.items()}

    def write(self, bulk: Bulk, within: Within) -> list[int]:
        """Write everything; returns the ids of `bulk.new`.

        `within(transaction, ids)` runs in the transaction with the locks held, before postings are written; `ids` are
        those of `bulk.new`. Raises what it does, NotFound if the company is closed, or NotFinal if everything is stored
        but not yet known to every worker.
        """
        self._postings.number(_named(bulk.written))
        texts = [texts_of(each.title, each.description, each.detail, ()) for each in bulk.written]
        prints = [fingerprint_of(said, each.detail) for said, each in zip(texts, bulk.written, strict=True)]
        with self._database.transaction() as transaction:
            if not store.begin(transaction, bulk.company_id):
                raise NotFound("there is no such company")
            touched = [before.id for before, _ in bulk.changed] + bulk.ended
            clusters = store.lock_clusters(transaction, bulk.company_id, prints[: len(bulk.new)], touched)
            cluster_of = store.lock_postings(transaction, touched)
            ids = store.reserve(transaction, len(bulk.new))
            within(transaction, ids)
            store.note_catalogue(transaction, clusters)
            writing = _Writing(transaction, bulk, clusters, self._rates, self._vocabulary)
            writing.texts = dict(zip([*ids, *touched], texts, strict=False))
            writing.run(ids, prints, cluster_of)
            store.note_catalogue(transaction, clusters)
            store.note_company(transaction, bulk.company_id)
            xid, changed = keys(transaction)
        self._coherence.final(changed, xid, security=True)
        return ids


def _named(postings: Iterable[Posting]) -> list[NamedValue]:
    found = {
        (each.name, each.country): each
        for posting in postings
        for each in named_values(posting.detail, posting.detail.places)
    }
    return list(found.values())


class _Writing:
    """One transaction; `clusters` are the fingerprints of the locked clusters, `texts` words that are known, by id."""

    def __init__(
        self, transaction: Transaction, bulk: Bulk, clusters: Mapping[int, bytes], rates: Rates, vocabulary: Vocabulary
    ) -> None:  # fmt: skip
        self._transaction, self._bulk, self._clusters = transaction, bulk, clusters
        self._rates, self._vocabulary = rates, vocabulary
        self.texts: dict[int, Texts] = {}
        self._postings: dict[int, Posting] = {}
        self._members: dict[int, Member] = {}
        self._listed: dict[int, Member] = {}

    def run(self, ids: Sequence[int], prints: Sequence[bytes], cluster_of: Mapping[int, int]) -> None:
        """`cluster_of` names the clusters of postings that are there."""
        bulk, of = self._bulk, {own: number for number, own in self._clusters.items()}
        self._listed = {each.id: each for each in store.members(self._transaction, self._clusters)}
        self._members = {number: each for number, each in self._listed.items() if number not in set(bulk.ended)}
        homes: dict[int, tuple[int, bool]] = {}
        for posting, own, number in zip(bulk.new, prints, ids, strict=False):
            homes[number] = (of[own], False)
            self._take(number, posting, homes[number])
        for (before, after), own in zip(bulk.changed, prints[len(bulk.new) :], strict=True):
            home = cluster_of[before.id]
            homes[before.id] = (home, self._clusters[home] != own)
            self._take(before.id, after, homes[before.id])
        shown = self._shown()
        store.close(self._transaction, bulk.ended)
        store.insert(self._transaction, [self._record(number, homes, shown, content=True) for number in ids])
        store.update(
            self._transaction,
            [
                self._record(before.id, homes, shown, content=_texts(before) != _texts(after))
                for before, after in bulk.changed
            ],
        )
        self._show_others(shown, homes)

    def _take(self, number: int, posting: Posting, home: tuple[int, bool]) -> None:
        cluster_id, strayed = home
        self._postings[number] = _with_id(posting, number)
        self._members[number] = Member(number, cluster_id, strayed, False, 0, posting.valid_through)

    def _record(
        self, number: int, homes: Mapping[int, tuple[int, bool]], shown: Mapping[int, Shown], *, content: bool
    ) -> dict[str, object]:  # fmt: skip
        cluster_id, strayed = homes[number]
        return store.record(self._postings[number], cluster_id, strayed, content, shown.get(number))

    def _show_others(self, shown: Mapping[int, Shown], homes: Mapping[int, tuple[int, bool]]) -> None:
        """Members that do not change themselves, and are to be shown otherwise than they are."""
        rows = []
        for number, member in self._listed.items():
            if number in homes or number in self._bulk.ended or member.strayed:
                continue
            if number in shown or member.shown or member.siblings:
                rows.append({"id": number} | store.shown_columns(shown.get(number)))
        store.show(self._transaction, rows)

    def _shown(self) -> dict[int, Shown]:
        """The member that stays open longest of each cluster, under the places of all that are alike, and strays."""
        alike: dict[int, list[Member]] = {}
        for member in self._members.values():
            if not member.strayed:
                alike.setdefault(member.cluster_id, []).append(member)
        for several in alike.values():
            several.sort(key=lambda each: (each.valid_through, each.id), reverse=True)
        self._load(each.id for several in alike.values() for each in several)
        standing = {several[0].id: [each.id for each in several[1:]] for several in alike.values()}
        standing |= {number: [] for number, each in self._members.items() if each.strayed and number in self._postings}
        return self._indexed(standing)

    def _load(self, wanted: Iterable[int]) -> None:
        missing = [number for number in wanted if number not in self._postings]
        self._postings |= find_all_in(self._transaction, missing)

    def _indexed(self, standing: Mapping[int, Sequence[int]]) -> dict[int, Shown]:
        """The search columns of the postings, which stand for others."""
        unnumbered = {number: self._unnumbered(number, others) for number, others in standing.items()}
        words: dict[str, set[str]] = {}
        for _, texts in unnumbered.values():
            words.setdefault(texts.language, set()).update(texts.words)
        known = {lang: self._vocabulary.of(self._transaction, lang, several) for lang, several in words.items()}
        named = {(each.name, each.country): each for each in (n for u, _ in unnumbered.values() for n in u.named)}
        numbers = numbers_of(self._transaction, list(named.values()))
        return {
            number: Shown(len(standing[number]), each.complete(known[texts.language], numbers, self._rates))
            for number, (each, texts) in unnumbered.items()
        }

    def _unnumbered(self, number: int, others: Sequence[int]) -> tuple[Unnumbered, Texts]:
        posting = self._postings[number]
        in_order = sorted([number, *others])
        places: list[Place] = list(dict.fromkeys(p for each in in_order for p in self._postings[each].detail.places))
        own = self.texts.get(number) or texts_of(posting.title, posting.description, posting.detail, ())
        texts = texts_at(own, posting.detail, places)
        opened: datetime = posting.published_at or posting.first_seen_at
        return indexed(posting.company_id, texts, posting.detail, places, opened), texts


def _texts(posting: Posting) -> tuple[object, ...]:
    return posting.title, posting.description, posting.detail


def _with_id(posting: Posting, number: int) -> Posting:
    return posting if posting.id == number else replace(posting, id=number)
