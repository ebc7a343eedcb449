"""What the ticker keeps up to date: yearly salaries by the newest exchange rates, and counts for the metrics."""

import random
from collections.abc import Iterator, Sequence
from datetime import timedelta

import msgspec
import pytest

from app.config import DatabaseTuning
from app.infra.postgres.database import Database
from app.jobs.codes.salaries import Rates, shipped_rates
from app.jobs.indexing import by_year
from app.jobs.schemas import Salary
from app.jobs.upkeep import service
from app.jobs.upkeep.service import Upkeep
from app.jobs.upkeep.store import UpkeepStore
from tests.conftest import LocalDatabase
from tests.integration.jobs.catalogue import NOW, Catalogue, random_posting

NEWER = Rates("2200-01-01", {**shipped_rates().per_euro, "USD": 4.0, "KPW": 100.0})
STORED = "SELECT salary, salary_rates_of::text FROM posting WHERE id = %s"
PAID = (
    Salary("USD", "year", 80_000, 100_000),
    Salary("KPW", "year", 1_000_000),
    Salary("EUR", "hour", None, 20),
    None,
)


class Heard:
    """A publisher that keeps the keys."""

    def __init__(self) -> None:
        self.keys: set[str] = set()

    def final(self, keys: Sequence[str], xid: str | None, *, security: bool) -> None:
        self.keys.update(keys)


@pytest.fixture(scope="module")
def searched(database: LocalDatabase) -> Iterator[Database]:
    found = Database(database.direct_url, DatabaseTuning(), prepared=False)
    found.run("TRUNCATE companies RESTART IDENTITY CASCADE")
    yield found
    found.close()


def test_newer_rates_replace_yearly_salaries_in_batches(
    searched: Database, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(service, "CONVERTED_AT_ONCE", 1)
    chance, catalogue = random.Random(1), Catalogue(searched)
    plain = msgspec.structs.replace(random_posting(chance), state="open", valid_through=NOW + timedelta(days=9))
    ids = {}
    for pay in PAID:
        detail = msgspec.structs.replace(plain.detail, salary=pay)
        ids[catalogue.add(msgspec.structs.replace(plain, detail=detail)).id] = pay
    assert [searched.one(STORED, number) for number in ids] == [
        (by_year(pay, shipped_rates()), shipped_rates().of if pay and pay.currency != "EUR" else None)
        for pay in ids.values()
    ]
    heard = Heard()
    upkeep = Upkeep(searched, heard, NEWER)
    assert [upkeep.convert() for _ in range(3)] == [1, 1, 0]
    assert [searched.one(STORED, number) for number in ids] == [
        (25_000, NEWER.of),
        (10_000, NEWER.of),
        (41_600, None),
        (None, None),
    ]
    assert "catalogue" in heard.keys
    assert Upkeep(searched, heard, shipped_rates()).convert() == 0


def test_states_and_the_lag_of_expiry_are_known(searched: Database) -> None:
    store = UpkeepStore(searched)
    assert store.standing().behind_s == 0
    searched.run("UPDATE posting SET valid_through = now() - interval '100 s' WHERE id = (SELECT min(id) FROM posting)")
    store.count()
    standing = store.standing()
    assert standing.states == {"draft": 0, "open": len(PAID), "closed": 0, "expired": 0}
    assert 100 <= standing.behind_s < 1000


def test_salary_that_an_earlier_version_wrote_is_computed(searched: Database) -> None:
    searched.run("UPDATE posting SET salary = 1, salary_rates_of = DEFAULT WHERE shown")
    [(shown,)] = searched.all("SELECT count(*) FROM posting WHERE shown")
    assert Upkeep(searched, Heard(), NEWER).convert() == shown > 0
    assert searched.all("SELECT count(*) FROM posting WHERE shown AND salary = 1") == [(0,)]
