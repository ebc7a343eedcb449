"""Live settings that do not fit this deployment are refused, with the sum and the nearest value that fits."""

import json
from pathlib import Path

import msgspec
import pytest

from app.config import Tuning
from app.infra.tuning.fitness import ENTRY_KIB, LEAST_BCRYPT_COST, UNLIMITED, WORKER_KIB, Place
from app.infra.tuning.live_tuning import LiveTuning, read_tuning

CHART = Path(__file__).parents[4] / "charts" / "jobfinder"
MIB = 1024 * 1024
PRODUCTION, DEVELOPMENT = (Place(each, workers=2, memory_bytes=768 * MIB) for each in (False, True))
WEAK = [
    *(f'{{"limits": {{"{name}": 0}}}}' for name in UNLIMITED),
    '{"passwords": {"bcrypt_cost": 9}}',
    '{"passwords": {"bcrypt_cost": 4}}',
]


@pytest.mark.parametrize("text", WEAK)
def test_weak_protection_is_allowed_in_development_only(text: str) -> None:
    tuning = read_tuning(text.encode(), Tuning())
    assert DEVELOPMENT.unfit(tuning) == []
    (problem,) = PRODUCTION.unfit(tuning)
    assert "outside development" in problem


def test_defaults_fit_production() -> None:
    assert PRODUCTION.unfit(Tuning()) == []


@pytest.mark.parametrize("place", [PRODUCTION, DEVELOPMENT])
def test_caches_beyond_the_memory_are_refused_with_the_sum(place: Place) -> None:
    tuning = read_tuning(b'{"cache": {"user": {"capacity": 200000}}}', Tuning())
    (problem,) = place.unfit(tuning)
    assert (
        "2 workers x (84 MiB + cache.answers_bytes 33554432 + cache.user.capacity 200000 x 3 KiB"
        " + cache.blacklist.capacity 50000 x 0.25 KiB"
        " + cache.company.capacity 2000 x 3 KiB + cache.job.capacity 1000 x 10 KiB"
        " + cache.search.capacity 500 x 8 KiB)" in problem
    )
    assert problem.endswith(
        " = 1467 MiB are more than the 768 MiB of memory that there are; cache.user.capacity 80644 would work"
    )


@pytest.mark.parametrize(
    ("users", "blacklisted", "fits"), [(80_644, 50_000, True), (80_645, 50_000, False), (1, 2_000_000, False)]
)
def test_the_nearest_capacity_is_the_greatest_that_fits(users: int, blacklisted: int, fits: bool) -> None:
    given = {"cache": {"user": {"capacity": users}, "blacklist": {"capacity": blacklisted}}}
    assert (PRODUCTION.unfit(read_tuning(msgspec.json.encode(given), Tuning())) == []) == fits


def test_an_unfit_file_leaves_the_last_good_one_in_force(tmp_path: Path) -> None:
    path = tmp_path / "tuning.json"
    path.write_text('{"generation": 1, "limits": {"logins_per_address": 5}}')
    tuning = LiveTuning(path, Tuning(), PRODUCTION.unfit)
    for text in WEAK:
        path.write_text(text)
        refused = tuning.refused
        assert not tuning.poll()
        assert tuning.refused == refused + 1
    assert tuning.current.limits.logins_per_address == 5


def test_without_a_memory_limit_any_capacity_fits() -> None:
    tuning = read_tuning(b'{"cache": {"user": {"capacity": 100000000}}}', Tuning())
    assert Place(development=False, workers=2, memory_bytes=None).unfit(tuning) == []


def test_chart_uses_the_numbers_of_the_service() -> None:
    """The chart's templates cannot read Python, so the numbers are repeated in a file."""
    floors = json.loads((CHART / "files" / "tuning.json").read_text())
    assert floors == {
        "bcryptCost": LEAST_BCRYPT_COST,
        "workerKiB": WORKER_KIB,
        "caches": [
            {"name": name, "capacity": getattr(Tuning().cache, name).capacity, "entryKiB": entry}
            for name, entry in ENTRY_KIB.items()
        ],
        "answersBytes": Tuning().cache.answers_bytes,
    }
