"""One release that the tests of this folder share, in a fixed order, behind a real ingress controller."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.cluster.access import Cluster
from tests.e2e.platform.clients import Address
from tests.e2e.platform.release import Release
from tests.e2e.platform.routing import INGRESS_NAMESPACE, ROUTED

HERE = Path(__file__).parent
ORDER = ("install", "ingress", "planned_changes", "kills", "autoscaling", "uninstall", "upgrade")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In the order of a release's life; other folders' tests stay where they are."""
    places = [place for place, item in enumerate(items) if HERE in item.path.parents]
    own = sorted((items[place] for place in places), key=lambda item: ORDER.index(item.path.stem.removeprefix("test_")))
    for place, item in zip(places, own, strict=True):
        items[place] = item


@pytest.fixture(scope="package")
def release(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """Installed into a namespace that was empty and goes away with all that is in it."""
    release = Release(cluster, "platform", tmp_path_factory.mktemp("platform"))
    release.make_namespace()
    try:
        release.install(ROUTED)
        yield release
    finally:
        release.delete_namespace()


@pytest.fixture(scope="package")
def ingress_port(cluster: Cluster) -> Iterator[Address]:
    """Where the ingress controller listens."""
    manifest = (HERE / "traefik.yaml").read_text().replace("NAMESPACE", INGRESS_NAMESPACE)
    cluster.kubectl("create", "namespace", INGRESS_NAMESPACE)
    try:
        cluster.kubectl("-n", INGRESS_NAMESPACE, "apply", "-f", "-", given=manifest)
        cluster.kubectl("-n", INGRESS_NAMESPACE, "rollout", "status", "deployment/traefik", "--timeout=120s")
        url = urlsplit(cluster.node_port_url("traefik", INGRESS_NAMESPACE))
        assert url.hostname is not None
        yield Address(url.hostname, url.port or 80)
    finally:
        cluster.kubectl("-n", INGRESS_NAMESPACE, "delete", "--ignore-not-found", "-f", "-", given=manifest)
        cluster.kubectl("delete", "namespace", INGRESS_NAMESPACE, "--wait=false")
