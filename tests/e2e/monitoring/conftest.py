"""A release that a Prometheus watches while somebody uses it."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api_client import Api
from tests.e2e.cluster.access import Cluster
from tests.e2e.monitoring.prometheus_api import Prometheus, wait_until
from tests.e2e.platform.release import Release, installed

HERE = Path(__file__).parent
NAMESPACE = "prometheus"
FOUND_BY = {"e2e": "monitoring"}
VALUES = {
    "pgbouncer": {"exporter": {"enabled": True}},
    "operator": {"enabled": True},
    "ingress": {
        "enabled": True,
        "hosts": ["jobs.example.com"],
        "tls": [{"secretName": "jobs-tls", "hosts": ["jobs.example.com"]}],
    },
    "monitoring": {
        "serviceMonitor": {"enabled": True, "labels": FOUND_BY, "interval": "2s"},
        "rules": {
            "enabled": True,
            "labels": FOUND_BY,
            "latencySeconds": "10.0",  # whatever else this machine is doing
            "alerts": {"JobfinderMemcachedDown": {"for": "4s"}, "JobfinderLogServerDown": {"for": "4s"}},
        },
        "dashboards": {"enabled": True},
    },
}


@pytest.fixture(scope="package")
def release(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """With everything that can be watched, but no exporter of memcached: Debian has none to stand in."""
    with installed(cluster, "monitoring", tmp_path_factory.mktemp("monitoring"), VALUES) as release:
        yield release


@pytest.fixture(scope="package")
def prometheus(cluster: Cluster) -> Iterator[Prometheus]:
    """Run by the prometheus-operator."""
    manifest = (HERE / "prometheus.yaml").read_text().replace("NAMESPACE", NAMESPACE)
    cluster.kubectl("create", "namespace", NAMESPACE)
    try:
        cluster.kubectl("-n", NAMESPACE, "apply", "-f", "-", given=manifest)
        cluster.kubectl("-n", NAMESPACE, "rollout", "status", "deployment/prometheus-operator", "--timeout=120s")
        prometheus = Prometheus(cluster.node_port_url("prometheus", NAMESPACE))
        wait_until(prometheus.ready, bool, "Prometheus ready")
        yield prometheus
    finally:
        cluster.kubectl("-n", NAMESPACE, "delete", "--ignore-not-found", "--wait=false", "-f", "-", given=manifest)
        cluster.kubectl("delete", "namespace", NAMESPACE)


@pytest.fixture(scope="package")
def somebody_at_work(release: Release) -> Iterator[None]:
    """One person who registers, logs in, reads and logs out again and again."""
    api = Api(release.address().url, lambda *_: [])
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(0.05):
            _one_visit(api.fresh())

    thread = threading.Thread(target=work)
    thread.start()
    yield
    ended.set()
    thread.join()


def _one_visit(api: Api) -> None:
    """Answers do not matter here: while memcached is down, a logout is not final and says so."""
    try:
        person = api.person()
        for _ in range(20):
            api.get("users/me", person.token)
        api.send("POST", "auth/logout", headers={"Authorization": f"Bearer {person.token}"})
    except (OSError, AssertionError):
        return
