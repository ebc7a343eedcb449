"""Adds made-up companies and postings: several processes make the rows, which this one copies in their order."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from app.config import DatabaseTuning
from app.errors import ConfigError
from app.infra.postgres.database import Database
from app.jobs.bulk.words.store import WordIndex
from app.local.seed.cities import COUNTRIES
from app.local.seed.companies import owner_of
from app.local.seed.postings import TOGETHER, Catalogue
from app.local.seed.progress import show
from app.local.seed.rows import Ids, Rows, Writer
from app.local.seed.store import SeedStore

MERGE_EVERY = 5_000
WORTH_A_PROCESS = 5_000
"""Postings; it takes some seconds to start one."""

AHEAD = 2
"""Thousands that each process may make before they are copied."""

KEYS = ["catalogue", "catalogue:anywhere", *(f"catalogue:{each.code}" for each in COUNTRIES)]
"""Of every search that may find a made-up posting."""

_ONE_CONNECTION = DatabaseTuning(pool_min=1, pool_max=1)


class AlreadyThere(ConfigError):
    """The companies of this number are there already: another --seed adds others, and `make reset` begins anew."""


@dataclass(frozen=True, slots=True)
class Added:
    """What has been added: the owner of the first companies, and what has to be published of the last transaction."""

    companies: int
    recruiter: str
    keys: list[str]
    xid: str


def add_jobs(url: str, catalogue: Catalogue, add_owners: Callable[[list[str]], None]) -> Added:
    """Add everything in `catalogue` through `url`; `add_owners` adds accounts. Raises AlreadyThere."""
    database = Database(url, _ONE_CONNECTION, prepared=False)
    try:
        store = SeedStore(database)
        companies, owners = catalogue.companies, [owner_of(each, catalogue.seed) for each in catalogue.companies]
        if store.taken(companies):
            raise AlreadyThere(f"--seed {catalogue.seed}: {AlreadyThere.__doc__}")
        add_owners(list(dict.fromkeys(owners)))
        company_ids = store.add_companies(companies, owners)
        with WordIndex(database).collecting() as merge:
            xid = _fill(url, store, catalogue, company_ids, merge)
        store.analyze()
        return Added(len(companies), owners[0], KEYS, xid)
    finally:
        database.close()


def _fill(
    url: str, store: SeedStore, catalogue: Catalogue, company_ids: Sequence[int], merge: Callable[[], None]
) -> str:  # fmt: skip
    done, xid = 0, ""
    for last, rows in _made(url, store, catalogue, company_ids):
        xid = store.add(rows, KEYS)
        if last // MERGE_EVERY > done // MERGE_EVERY:
            merge()
        done = last
        show(done, catalogue.jobs)
    return xid


def _made(
    url: str, store: SeedStore, catalogue: Catalogue, company_ids: Sequence[int]
) -> Iterator[tuple[int, Rows]]:  # fmt: skip
    """(number of the last posting, rows) of each thousand."""
    processes = min(len(os.sched_getaffinity(0)), -(-catalogue.jobs // WORTH_A_PROCESS))
    waiting: deque[tuple[int, Future[Rows]]] = deque()
    pool = ProcessPoolExecutor(
        processes, get_context("spawn"), initializer=_begin, initargs=(url, catalogue, company_ids)
    )  # fmt: skip
    try:
        for first in range(1, catalogue.jobs + 1, TOGETHER):
            last = min(first + TOGETHER - 1, catalogue.jobs)
            many = last - first + 1
            ids = Ids(store.reserve("posting", many), store.reserve("posting_cluster", many))
            waiting.append((last, pool.submit(_rows, first, last, ids)))
            if len(waiting) > AHEAD * processes:
                number, future = waiting.popleft()
                yield number, future.result()
        for number, future in waiting:
            yield number, future.result()
    finally:
        pool.shutdown(cancel_futures=True)


_writer: Writer | None = None


def _begin(url: str, catalogue: Catalogue, company_ids: Sequence[int]) -> None:
    global _writer  # noqa: PLW0603 - of a process that makes rows and does nothing else
    _writer = Writer(catalogue, company_ids, Database(url, _ONE_CONNECTION, prepared=False))


def _rows(first: int, last: int, ids: Ids) -> Rows:
    if _writer is None:
        raise RuntimeError("the process has not begun")
    return _writer.rows(first, last, ids)
