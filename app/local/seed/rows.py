"""Made-up postings as rows for COPY, with the columns that the service's own writes would give them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from app.infra.postgres.database import Database
from app.jobs.codes.salaries import shipped_rates
from app.jobs.indexing import Indexed, Texts, Unnumbered, fingerprint_of, indexed, texts_of
from app.jobs.query.compiled import Name
from app.jobs.query.store import QueryStore
from app.jobs.schemas import Posting
from app.jobs.store import PostingStore
from app.jobs.texts.words import TextLexemes, all_quoted
from app.local.seed.postings import Catalogue

_NEVER_SHOWN = Indexed(None, "-infinity", [], [], [], "", [])
"""What the database has of a member of a cluster that another one stands for."""


@dataclass(frozen=True, slots=True)
class Ids:
    """New ids for postings and clusters, enough of each."""

    postings: list[int]
    clusters: list[int]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of each table in the text format of COPY."""

    clusters: bytes
    postings: bytes
    texts: bytes


@dataclass(frozen=True, slots=True)
class _Cluster:
    """Postings that differ in nothing but places, and how the one of them that is shown is written down."""

    members: list[Posting]
    shown: Posting
    texts: Texts
    unnumbered: Unnumbered


class Writer:
    """Remembers the stems of words and the numbers of terms that it has asked the database for."""

    def __init__(self, catalogue: Catalogue, company_ids: Sequence[int], database: Database) -> None:
        """`company_ids` are in the order of the catalogue's companies."""
        self._catalogue, self._company_ids = catalogue, company_ids
        self._queries, self._store = QueryStore(database), PostingStore(database)
        self._words: dict[str, set[str]] = {}
        self._stems: dict[str, dict[str, tuple[str, ...]]] = {}
        self._lexemes: dict[str, TextLexemes] = {}
        self._numbers: dict[tuple[Name, str], int] = {}

    def rows(self, first: int, last: int, ids: Ids) -> Rows:
        """Of the postings from the first to the last."""
        clusters = self._clusters(first, last, ids)
        self._ask(clusters)
        kept, postings, texts = [], [], []
        for number, each in zip(ids.clusters, clusters, strict=False):
            shown = each.shown
            own = fingerprint_of(each.texts, shown.detail)
            kept.append((str(number), str(shown.company_id), f"\\\\x{own.hex()}"))
            written = each.unnumbered.complete(self._lexemes[each.texts.language], self._numbers, shipped_rates())
            for member in each.members:
                siblings = len(each.members) - 1 if member is shown else 0
                indexed_as = written if member is shown else _NEVER_SHOWN
                postings.append(_posting(member, number, siblings, indexed_as))
                detail = msgspec.json.encode(member.detail).decode()
                texts.append((str(member.id), *map(_escaped, (member.title, member.description, detail))))
        return Rows(_copied(kept), _copied(postings), _copied(texts))

    def _clusters(self, first: int, last: int, ids: Ids) -> list[_Cluster]:
        found, numbers = [], iter(ids.postings)
        for company, postings in self._catalogue.clusters(first, last):
            company_id = self._company_ids[company.number]
            found.append(
                _cluster([msgspec.structs.replace(each, id=next(numbers), company_id=company_id) for each in postings])
            )
        return found

    def _ask(self, clusters: Sequence[_Cluster]) -> None:
        """Ask for stems and numbers that are not known yet."""
        asked: dict[str, set[str]] = {}
        for each in clusters:
            asked.setdefault(each.texts.language, set()).update(each.texts.words)
        for language, words in asked.items():
            known = self._words.setdefault(language, set())
            stems = self._stems.setdefault(language, {})
            stems.update(self._queries.stems(language, sorted(words - known)))
            self._lexemes.setdefault(language, TextLexemes(stems))
            known |= words
        named = {(each.name, each.country): each for cluster in clusters for each in cluster.unnumbered.named}
        new = [each for key, each in named.items() if key not in self._numbers]
        self._store.number(new)
        self._numbers |= self._store.numbers(new)


def _cluster(members: list[Posting]) -> _Cluster:
    """The one that is open longest is shown, with the places of all."""
    shown = max(members, key=lambda each: (each.valid_through, each.id))
    places = list(dict.fromkeys(place for each in members for place in each.detail.places))
    texts = texts_of(shown.title, shown.description, shown.detail, places)
    opened = shown.published_at or shown.first_seen_at
    return _Cluster(members, shown, texts, indexed(shown.company_id, texts, shown.detail, places, opened))


def _posting(posting: Posting, cluster_id: int, siblings: int, written: Indexed) -> tuple[str, ...]:
    """In the order of `store.COPY_POSTINGS`."""
    return (
        str(posting.id),
        str(posting.company_id),
        str(cluster_id),
        posting.state,
        "f" if written is _NEVER_SHOWN else "t",
        str(siblings),
        str(posting.version),
        str(posting.published_at),
        str(posting.valid_through),
        str(posting.first_seen_at),
        str(posting.content_changed_at),
        "\\N" if written.salary is None else str(written.salary),
        written.rates_of or "\\N",
        _array(written.lats),
        _array(written.lons),
        _array(written.terms),
        _escaped(written.title_tsv),
        _escaped(all_quoted(written.body_lexemes)),
    )


def _array(values: Sequence[Any]) -> str:
    return "{" + ",".join(map(str, values)) + "}"


def _escaped(text: str) -> str:
    for special, written in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
        if special in text:
            text = text.replace(special, written)
    return text


def _copied(rows: Iterable[Sequence[str]]) -> bytes:
    return "".join("\t".join(row) + "\n" for row in rows).encode()
