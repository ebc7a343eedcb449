"""One cluster for all tests: the one that `$KUBECONFIG` names, otherwise one that is started on this machine.

`make e2e` starts it beside the tests and removes it after them; without `make` the tests do both. E2E_KEEP=1 keeps it.
"""

import fcntl
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.e2e.cluster import lifecycle
from tests.e2e.cluster.access import Cluster
from tests.e2e.cluster.config import ClusterError, Folders, folders, kept, kubeconfig_of_the_user
from tests.e2e.sequence import Share, sort_those_of

HERE = Path(__file__).parent
_SHOWN = 12_000
_TEST_S = 900
_running: list[Cluster] = []
_stacks: dict[Path, ExitStack] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run tests without the cluster first, while `make e2e` starts it, and give each test a timeout.

    The timeout excludes fixtures, because the first one may have to build the cluster.
    """
    sort_those_of(items, HERE, lambda item: "cluster" in getattr(item, "fixturenames", ()))
    for item in items:
        if "/e2e/" in item.path.as_posix() and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(_TEST_S, func_only=True))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    here = folders()
    with _one_run_at_a_time(here.cache / "run.lock"):
        yield from _cluster(here)


def _cluster(here: Folders) -> Iterator[Cluster]:
    chosen = kubeconfig_of_the_user()
    ours = chosen is None and not lifecycle.is_well(here)
    if chosen is None:
        lifecycle.up(here)
    found = Cluster(chosen or here.kubeconfig, here.values, here)
    _running.append(found)
    yield found
    _running.remove(found)
    if ours and not kept():
        lifecycle.down(here)


@pytest.fixture(scope="session")
def shared(cluster: Cluster) -> Iterator[Share]:
    """Return the ExitStack of a folder: what its tests share is entered there and closed after the folder's last test.

    A "package" fixture would live until the end of the run, because the test folders are not packages.
    """
    yield lambda folder: _stacks.setdefault(folder, ExitStack())
    for folder in list(_stacks):
        _stacks.pop(folder).close()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    folder = item.path.parent
    if folder in _stacks and (nextitem is None or nextitem.path.parent != folder):
        _stacks.pop(folder).close()


@contextmanager
def _one_run_at_a_time(path: Path) -> Iterator[None]:
    """Hold a file lock: concurrent runs on one machine would distort each other's measurements."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the cluster's pods and latest events to the report of a failed test."""
    report = yield
    if report.failed and _running:
        for what in (("pods", "--output=wide"), ("events", "--sort-by=.lastTimestamp")):
            report.sections.append((f"kubectl get {what[0]}", _shown(*what)))
    return report


def _shown(*what: str) -> str:
    try:
        return _running[-1].kubectl("get", *what, "--all-namespaces", "--request-timeout=20s")[-_SHOWN:]
    except ClusterError as e:
        return str(e)
