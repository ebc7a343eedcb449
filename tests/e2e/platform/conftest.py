"""One release that the tests of this folder share, in a fixed order, behind a real ingress controller."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.cluster.access import Cluster
from tests.e2e.platform.by_hand import Database, running_database
from tests.e2e.platform.load.clients import Address
from tests.e2e.platform.release import Release, installed
from tests.e2e.platform.routing import INGRESS_NAMESPACE, ROUTED
from tests.e2e.sequence import Share, put_in_order

HERE = Path(__file__).parent
ORDER = (
    "install",
    "ingress",
    "gitops",
    "network_policies",
    "production",
    "planned_changes",
    "kills",
    "autoscaling",
    "rollout",
    "uninstall",
    "upgrade",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    put_in_order(items, HERE, ORDER)


@pytest.fixture(scope="session")
def release(cluster: Cluster, shared: Share) -> Release:
    """Installed into a new namespace, which is deleted afterwards."""
    return shared(HERE).enter_context(installed(cluster, "platform", ROUTED))


@pytest.fixture(scope="session")
def ingress_port(cluster: Cluster, shared: Share) -> Address:
    """Where the ingress controller listens."""
    return shared(HERE).enter_context(_ingress_controller(cluster))


@pytest.fixture(scope="session")
def database(cluster: Cluster, shared: Share, tmp_path_factory: pytest.TempPathFactory) -> Database:
    """An external PostgreSQL, in a namespace without a release."""
    return shared(HERE).enter_context(running_database(cluster, tmp_path_factory.mktemp("pki")))


@contextmanager
def _ingress_controller(cluster: Cluster) -> Iterator[Address]:
    with cluster.deployed(HERE / "traefik.yaml", "traefik", INGRESS_NAMESPACE):
        url = urlsplit(cluster.node_port_url("traefik", INGRESS_NAMESPACE))
        assert url.hostname is not None
        yield Address(url.hostname, url.port or 80)
