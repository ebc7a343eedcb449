"""One cluster for all tests: that of `$KUBECONFIG`, else one of this machine, kept afterwards when E2E_KEEP=1."""

from collections.abc import Generator, Iterator

import pytest

from tests.e2e.cluster import lifecycle
from tests.e2e.cluster.access import Cluster
from tests.e2e.cluster.config import ClusterError, folders, kept, kubeconfig_of_the_user

_SHOWN = 12_000
_running: list[Cluster] = []


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    here = folders()
    chosen = kubeconfig_of_the_user()
    ours = chosen is None
    if ours:
        lifecycle.up(here)
    found = Cluster(chosen or here.kubeconfig, here.values, here)
    _running.append(found)
    yield found
    _running.remove(found)
    if ours and not kept():
        lifecycle.down(here)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test's report shows the pods and what happened to them last."""
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
