"""Groups of tests for pytest-xdist: a group runs on one worker, and the longest groups start first.

Each worker has its own PostgreSQL, PgBouncer and memcached servers (`conftest.py`), so groups can run at the same time.
"""

import pytest
from xdist.scheduler import LoadScopeScheduling

WHOLE_FOLDERS = tuple(f"tests/integration/{each}/" for each in ("api", "finality", "freshness", "server"))
"""Their files share services that are started once for the folder."""

SINGLE_TESTS = ("tests/unit/coherence/model/test_model.py", "tests/unit/operator/model/test_budget.py")
"""Long calculations that share no fixtures."""

LONGEST_FIRST = (
    "tests/integration/finality/",
    "tests/integration/freshness/",
    "tests/integration/description/",
    "tests/integration/",
    *SINGLE_TESTS,
)


def group_of(nodeid: str) -> str:
    """The group of a test: a folder, a file or the test itself."""
    file = nodeid.partition("::")[0]
    if file in SINGLE_TESTS:
        return nodeid
    return next((folder for folder in WHOLE_FOLDERS if file.startswith(folder)), file)


def rank(item: pytest.Item) -> int:
    """Sort key of a test: the longest groups come first, so that none of them starts last."""
    places = enumerate(LONGEST_FIRST)
    return next((place for place, start in places if item.nodeid.startswith(start)), len(LONGEST_FIRST))


class Groups(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives a worker its next group shortly before it finishes the current one."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
