"""What is made for a period may be kept until its end."""

import time
from collections.abc import Callable
from contextvars import copy_context
from types import SimpleNamespace
from typing import Any, cast

import pytest

from app.feeds.sitemaps import Sitemaps
from app.infra.relying import Part, period, relying
from app.jobs.links import Links
from app.jobs.query.suggestions.service import SuggestionService

S_IN_NS = 1_000_000_000
STORE: Any = SimpleNamespace(words=lambda *of: ["nurse"], correction=lambda word: None)
EXPORTER: Any = SimpleNamespace(in_range=lambda *of: [(1, "2026-01-01")])


def suggest() -> object:
    return suggestions.suggest("nur", ("title",))


def read_sitemap() -> object:
    return sitemaps.file(1)


suggestions = SuggestionService(cast("Any", STORE))
sitemaps = Sitemaps(EXPORTER, Links("https://jobs.test", ""))


def made(make: Callable[[], object]) -> Part:
    part = Part()

    def run() -> None:
        relying.set(part)
        make()

    copy_context().run(run)
    return part


@pytest.mark.parametrize(("make", "seconds"), [(suggest, 30), (read_sitemap, 300), (lambda: period(7), 7)])
def test_answer_ends_with_the_period_in_which_it_was_made(make: Callable[[], object], seconds: int) -> None:
    """Also one that was made before; none is kept for longer than it may be old."""
    for _ in range(2):
        began_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        end_ns = made(make).expires_ns
        assert end_ns % (seconds * S_IN_NS) == 0
        assert 0 < end_ns - began_ns <= (seconds + 1) * S_IN_NS


def test_period_is_told_to_nobody_when_nothing_is_kept() -> None:
    assert period(30) + 1 >= period(30)
