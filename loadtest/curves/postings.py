"""Postings in the catalogue: what searches cost PostgreSQL, as `make bench-search` measures it."""

import random
from collections.abc import Callable

from loadtest.bed import Bed
from loadtest.curves.results import Point
from loadtest.search.costs import Backend, costs_by_kind
from loadtest.search.ground import SETTINGS, folder_of
from loadtest.search.queries import Queries, sources_of
from loadtest.statistics import percentile

POSTINGS = {True: (10_000, 100_000), False: (10_000, 100_000, 1_000_000)}
SAMPLES = {True: 60, False: 200}
SEED = 7


def measure(keep: Callable[[Point], None], *, quick: bool) -> None:
    """One client; the catalogues are made once and kept in the user's cache folder."""
    for postings in POSTINGS[quick]:
        with Bed.opened(folder_of(postings), SETTINGS) as bed:
            url = bed.postgres.direct_url
            backend = Backend(url)
            found = costs_by_kind(backend, Queries(sources_of(url), random.Random(SEED)), SAMPLES[quick])
            backend.close()
        point: Point = {"postings": postings}
        for kind, costs in found.items():
            processor = [each.processor for each in costs]
            point |= {f"{kind}, p50": percentile(processor, 0.5), f"{kind}, p99": percentile(processor, 0.99)}
        keep(point)
