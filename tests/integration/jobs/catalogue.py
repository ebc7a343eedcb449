"""Small catalogues of postings, written with the service's statements and without HTTP."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from app.infra.postgres.database import Database
from app.jobs import store, writing
from app.jobs.codes.salaries import shipped_rates
from app.jobs.codes.vocabulary import EMPLOYMENT_TYPES, SENIORITIES, WORKPLACES
from app.jobs.indexing import fingerprint, named_values
from app.jobs.schemas import Detail, Place, Posting, Salary
from app.jobs.store import PostingStore
from app.jobs.upkeep.service import Upkeep

NOW = datetime.now(UTC).replace(microsecond=0)
COMPANIES = 3

PLACES = (
    Place("DE", "Berlin", "Berlin", 52.5244, 13.4105),
    Place("DE", "Brandenburg", "Potsdam", 52.3989, 13.0657),
    Place("DE", "Bayern", "München", 48.1374, 11.5755),
    Place("FR", None, "Paris", 48.8534, 2.3488),
    Place("US", "Texas", "Paris", 33.6609, -95.5555),
    Place("FJ", None, "Taveuni", -16.85, 179.98),
    Place("FJ", None, "Lambasa", -16.43, -179.63),
    Place("NO", None, "Longyearbyen", 78.2233, 15.6469),
    Place("ES", None, "Málaga"),
    Place("GB"),
)
WORDS = {
    "en": [
        "nurse",
        "nurses",
        "nursing",
        "care",
        "night",
        "running",
        "manager",
        "managers",
        "and",
        "the",
        "c++",
        "full-stack",
        "developer",
    ],
    "de": ["Pfleger", "Köchin", "Köche", "und", "der", "Entwickler", "Entwicklung", "Straßenbau", "Nacht", "für"],
    "fr": ["développeur", "développeuse", "infirmière", "et", "de", "cuisinier", "cuisinière", "nuit"],
    "pl": ["pielęgniarka", "kierowca", "i", "nocna", "zmiana"],
}
SKILLS = ("Python", "python", "C++", "Projekt-Management", "Pflege")
SALARIES = (
    None,
    Salary("EUR", "year", 40_000, 50_000),
    Salary("EUR", "month", None, 4_000),
    Salary("USD", "hour", 20, 35),
    Salary("GBP", "day", 200, None),
    Salary("KPW", "year", 1, 2),
)


def detail(**values: Any) -> Detail:
    """A detail, in English unless `values` name a language."""
    return Detail(**({"language": "en"} | values))


def random_posting(chance: random.Random) -> Posting:
    """A random posting from few values, so that postings share many of them."""
    language = chance.choice(list(WORDS))
    several = WORDS[language]
    workplace = chance.choice(WORKPLACES)
    described = detail(
        language=language,
        employment_type=tuple(chance.sample(EMPLOYMENT_TYPES[:3], chance.randrange(3))),
        workplace=workplace,
        seniority=chance.choice([None, *SENIORITIES[:3]]),
        places=tuple(chance.sample(PLACES, chance.choice([0, 1, 1, 1, 2]))),
        eligible_countries=tuple(chance.sample(["DE", "FR", "US"], chance.randrange(3))),
        salary=chance.choice(SALARIES),
        skills=tuple(dict.fromkeys(chance.sample(SKILLS, chance.randrange(3)))),
    )
    return Posting(
        id=0,
        company_id=chance.randrange(1, COMPANIES + 1),
        state="open" if chance.random() < 0.9 else "closed",
        version=1,
        title=" ".join(chance.choices(several, k=chance.randrange(1, 4))),
        description="<p>" + "</p><p>".join(chance.choices(several, k=chance.randrange(1, 6))) + "</p>",
        detail=described,
        published_at=NOW - timedelta(days=chance.choice([0, 0, 1, 1, 2, 9, 40])),
        valid_through=NOW + timedelta(days=chance.choice([-1, 1, 2, 3, 30])),
        first_seen_at=NOW,
        content_changed_at=NOW,
    )


class Unpublished:
    """A publisher that does nothing, as there are no other workers."""

    def final(self, keys: Sequence[str], xid: str | None, *, security: bool) -> None:
        assert xid is not None


class Catalogue:
    """Postings in their own database; `postings` are the written ones, with their ids."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._store = PostingStore(database)
        self.postings: list[Posting] = []
        for number in range(1, COMPANIES + 1):
            database.run(
                "INSERT INTO companies (slug, name, verified) VALUES (%s, %s, %s)",
                f"c{number}",
                f"C {number}",
                number == 1,
            )

    def add(self, posting: Posting) -> Posting:
        """Write the posting as open, then with its real state; `valid_through` may be in the past."""
        self._store.number(named_values(posting.detail, posting.detail.places))
        late = posting.valid_through
        opened = msgspec.structs.replace(posting, state="open", valid_through=NOW + timedelta(days=90))
        with self._store.transaction() as transaction:
            number = store.insert(transaction, posting.company_id, opened)
            assert number is not None
            own = fingerprint(posting.title, posting.description, posting.detail)
            cluster = store.cluster_like(transaction, posting.company_id, own)
            opened = msgspec.structs.replace(opened, id=number)
            rates = shipped_rates()
            ended = msgspec.structs.replace(
                opened, state=posting.state, valid_through=max(late, NOW + timedelta(hours=1))
            )
            writing.write(transaction, opened, opened, cluster, rates)
            writing.write(transaction, opened, ended, cluster, rates)
        made = msgspec.structs.replace(ended, valid_through=late)
        self.postings.append(made)
        return made

    def expire(self) -> None:
        """Expire the postings whose `valid_through` is past, as the ticker does."""
        for each in self.postings:
            if each.valid_through < NOW:
                self.database.run("UPDATE posting SET valid_through = %s WHERE id = %s", each.valid_through, each.id)
        Upkeep(self.database, Unpublished(), shipped_rates()).expire()

    def fill(self, chance: random.Random, size: int) -> "Catalogue":
        for _ in range(size):
            self.add(random_posting(chance))
        twins = [chance.choice(self.postings) for _ in range(size // 5)]
        for twin in twins:
            places = tuple(chance.sample(PLACES, 2))
            until = NOW + timedelta(days=chance.choice([1, 2, 3, 30]))
            self.add(
                msgspec.structs.replace(
                    twin, valid_through=until, detail=msgspec.structs.replace(twin.detail, places=places)
                )
            )
        self.expire()
        return self


def open_now(postings: Sequence[Posting]) -> list[Posting]:
    return [each for each in postings if each.state == "open" and each.valid_through > NOW]
