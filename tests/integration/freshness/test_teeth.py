"""The checker catches a service that omits one step on which fresh searches rest.

Several defects run in one service where different rules find them. The database and the memcached servers are not
those of the other tests, whose pods would publish what this service leaves in the outbox.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.local.memcached import Memcached
from app.local.postgres import Postgres
from tests.integration.freshness.harness.load import Size, drive, populate
from tests.integration.freshness.harness.record import Record
from tests.integration.freshness.harness.rules import (
    CLOSED,
    MISFOLDED,
    MISSED,
    RENAMED,
    REPEATED,
    STALE,
    UNFIT,
    UNFOLDED,
    violations,
)
from tests.pods.connections import Connections
from tests.pods.fixtures import own_database
from tests.pods.pod import KINDS, Pod, Shared

ROUND, ROUNDS = 40, 15
WORKERS = 2
SIZE = Size(writers=12, readers=4, rate=80, open=40, firms=4)

FORGETS = (
    "from app.coherence.publisher import Publisher",
    "final = Publisher.final",
    "kept = lambda keys: [key for key in keys if not key.startswith({})]",
    "Publisher.final = lambda self, keys, xid, security: final(self, kept(keys), xid, security=security)",
)
FORGETS_POSTINGS_AND_COMPANIES = "\n".join(FORGETS).format("('job:', 'company:')")
FORGETS_THE_CATALOGUE = "\n".join(FORGETS).format("'catalogue'")
BEGINS_WITH_THE_LAST_RESULT = (
    "import app.jobs.query.pages.store as pages",
    "behind = pages._behind",
    "pages._behind = lambda *given: behind(*given)._replace(text=behind(*given).text.replace('<', '<='))",
)
SHOWS_THE_EXPIRED = (
    "import app.jobs.facts, app.jobs.query.store as queries",
    "every, besides = queries.conditions, queries.besides_words",
    "always = lambda part: part._replace(text=part.text.replace('valid_through > now()', 'true'))",
    "queries.conditions = lambda query: list(map(always, every(query)))",
    "queries.besides_words = lambda query: list(map(always, besides(query)))",
    "app.jobs.facts.JobFact.found = property(lambda self: self.posting.state == 'open')",
)
SKIPS_RESULTS = (
    "import app.jobs.query.cursors as cursors",
    "exact = cursors._microseconds",
    "cursors._microseconds = lambda moment: exact(moment) - 1_000_000",
)
HIDES_NO_NEAR_DUPLICATE = (
    "import app.jobs.store as postings",
    "postings.hide = lambda transaction, posting_ids: None",
)
NAMES_FORMER_NEAR_DUPLICATES = (
    "import app.jobs.store as postings",
    "postings.ALSO_AT = postings.ALSO_AT.replace(\"AND p.state = 'open' AND NOT p.strayed\", '')",
)
BROKEN = {
    "shows old postings and near-duplicates, skips results": (
        (FORGETS_POSTINGS_AND_COMPANIES, *SKIPS_RESULTS, *HIDES_NO_NEAR_DUPLICATE),
        {STALE, RENAMED, MISSED, UNFOLDED},
    ),
    "keeps old results, shows what has expired, repeats results, names former near-duplicates": (
        (FORGETS_THE_CATALOGUE, *SHOWS_THE_EXPIRED, *BEGINS_WITH_THE_LAST_RESULT, *NAMES_FORMER_NEAR_DUPLICATES),
        {UNFIT, CLOSED, REPEATED, MISFOLDED},
    ),
}
SERVE_BROKEN = "import sys, app.main, app.__main__\n{}\nsys.exit(app.__main__.main(['serve']))"


@pytest.fixture(scope="module")
def shared(postgres: Postgres, migrated: str, open_folder: Path) -> Iterator[Shared]:
    with own_database(postgres, migrated, open_folder) as shared:
        yield shared


@pytest.fixture(scope="module")
def cache_servers() -> Iterator[list[Memcached]]:
    with Memcached() as first, Memcached() as second:
        yield [first, second]


@pytest.mark.parametrize("defects", BROKEN)
def test_service_with_defects_is_caught(defects: str, shared: Shared, cache_servers: list[Memcached]) -> None:
    code, signs = BROKEN[defects]
    serve = (sys.executable, "-c", SERVE_BROKEN.format("\n".join(code)))
    with Pod("broken", shared, cache_servers, kind=KINDS[0], workers=WORKERS, serve=serve) as pod:

        def connect() -> Connections:
            return Connections({pod.name: pod.port}, WORKERS)

        record, owners = populate(connect, SIZE)
        for _ in range(ROUNDS):
            drive(record, owners, connect, len(record.walks) + ROUND, SIZE)
            if signs <= found(record):
                return
    assert signs <= found(record)


def found(record: Record) -> set[str]:
    """The rules that the service has violated so far."""
    return {each.rule.partition(":")[0] for each in violations(record)}
