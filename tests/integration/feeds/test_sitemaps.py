"""Sitemaps: which postings stand in which file."""

import gzip
import re
from collections.abc import Iterator

import pytest

from app.errors import NotFound
from app.feeds.sitemaps import Sitemaps
from app.jobs.links import Links
from tests.conftest import LocalDatabase
from tests.integration.imports.office import Office, line, office_at

LINKS = Links("https://a.example/below", "https://b.example/?job={id}&from=map")


@pytest.fixture
def office(database: LocalDatabase) -> Iterator[Office]:
    with office_at(database.direct_url) as made:
        yield made


def read(packed: bytes) -> list[str]:
    return re.findall("<loc>(.*?)</loc>", gzip.decompress(packed).decode())


def test_files_have_fixed_ranges_of_ids_and_only_open_postings(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr("app.feeds.sitemaps.URLS_MAX", 3)
    monkeypatch.setattr("app.jobs.exports.service.RANGE_PART", 2)
    ids = [each.id for each in office.send(*(line(number) for number in range(10)))]
    assert ids == list(range(1, 11))
    office.database.run("UPDATE posting SET state = 'closed', shown = false WHERE id IN (1, 4, 5, 6)")
    office.database.run("UPDATE posting SET valid_through = now() WHERE id = 10")
    office.database.run("UPDATE posting SET content_changed_at = '2031-02-03T04:05:06+01:00' WHERE id = 8")
    maps = Sitemaps(office.board.exports, LINKS)
    assert read(maps.index().data) == [
        f"https://a.example/below/api/v1/sitemaps/jobs-{number}.xml" for number in (1, 3)
    ]
    found = {number: read(maps.file(number).data) for number in (1, 3)}
    assert found == {
        number: [f"https://b.example/?job={each}&amp;from=map" for each in some]
        for number, some in {1: (2, 3), 3: (7, 8, 9)}.items()
    }
    for text in (maps.index().data, maps.file(3).data):
        assert b"<lastmod>2031-02-03T03:05:06Z</lastmod>" in gzip.decompress(text)
    for number in (2, 4, 2**62):
        with pytest.raises(NotFound):
            maps.file(number)


def test_files_are_kept_for_some_minutes(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("app.feeds.sitemaps.period", lambda seconds: int(now / seconds))
    maps = Sitemaps(office.board.exports, LINKS)
    office.send(line(1))
    before = maps.file(1)
    office.send(line(2))
    assert maps.file(1) == before
    now = 301.0
    assert len(read(maps.file(1).data)) == 2


def test_without_a_public_url_there_are_none(office: Office) -> None:
    office.send(line(1))
    maps = Sitemaps(office.board.exports, Links("/below", "https://b.example/{id}"))
    with pytest.raises(NotFound, match="PUBLIC_URL"):
        maps.index()
