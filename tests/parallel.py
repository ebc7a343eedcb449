"""Which tests run on one worker of pytest-xdist one after another, and in which order groups are given out.

Each worker has a PostgreSQL, a PgBouncer and memcached servers of its own (`conftest.py`), so that a group may run
beside any other.
"""

import pytest
from xdist.scheduler import LoadScopeScheduling

WHOLE_FOLDERS = tuple(f"tests/integration/{each}/" for each in ("api", "finality", "server"))
"""Their files share services that are started once for the folder."""

SINGLE_TESTS = ("tests/unit/coherence/model/test_model.py", "tests/unit/operator/model/test_budget.py")
"""Long calculations that share nothing."""

LONGEST_FIRST = (
    "tests/integration/finality/",
    "tests/integration/description/",
    "tests/integration/",
    *SINGLE_TESTS,
)


def group_of(nodeid: str) -> str:
    """A folder, a file or a single test."""
    file = nodeid.partition("::")[0]
    if file in SINGLE_TESTS:
        return nodeid
    return next((folder for folder in WHOLE_FOLDERS if file.startswith(folder)), file)


def rank(item: pytest.Item) -> int:
    """The place of its group among those that are given out; what takes long must not begin last."""
    places = enumerate(LONGEST_FIRST)
    return next((place for place, start in places if item.nodeid.startswith(start)), len(LONGEST_FIRST))


class Groups(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives a worker the next group when it has nearly done its last one."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
