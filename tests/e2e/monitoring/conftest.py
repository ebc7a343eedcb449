"""A release that is in use and monitored by Prometheus."""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.api_client import Api
from tests.e2e.cluster.access import Cluster
from tests.e2e.monitoring.prometheus_api import Prometheus
from tests.e2e.platform import mail_server
from tests.e2e.platform.by_hand import in_one, secret
from tests.e2e.platform.release import NAME, Release, installed
from tests.e2e.sequence import Share
from tests.e2e.waiting import wait_until

HERE = Path(__file__).parent
FOUND_BY = {"e2e": "monitoring"}
PRIMARY = {"name": "primary", "host": f"{NAME}-postgresql", "connectionBudget": 20}
"""In the place of a replica: it is refused as one, and has all series of replicas."""
VALUES = {
    **mail_server.VALUES,
    "database": {"replicas": [PRIMARY]},
    "pgbouncer": {"exporter": {"enabled": True}},
    "operator": {"enabled": True},
    "realtime": {
        "enabled": True,
        "drainSeconds": 5,
        "hpa": {"minReplicas": 1, "maxReplicas": 1},
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
    },
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
            "latencySeconds": "10.0",  # high, because this machine may be busy with other work
            "alerts": {
                "JobfinderMemcachedDown": {"for": "4s"},
                "JobfinderLogServerDown": {"for": "4s"},
                "JobfinderReplicaAway": {"for": "1h"},
            },
        },
        "dashboards": {"enabled": True},
    },
}


@pytest.fixture(scope="session")
def release(cluster: Cluster, shared: Share) -> Release:
    """With every monitored part except the memcached exporter, which Debian does not package.

    No mail server answers, so that some tasks always wait for their next attempt.
    """
    nowhere = in_one([secret("mail", {"mail-url": "smtp://127.0.0.1:9?starttls=never"})])
    return shared(HERE).enter_context(installed(cluster, "monitoring", VALUES, before=nowhere))


@pytest.fixture(scope="session")
def prometheus(cluster: Cluster, shared: Share) -> Prometheus:
    """Run by the prometheus-operator."""
    return shared(HERE).enter_context(_running_prometheus(cluster))


@contextmanager
def _running_prometheus(cluster: Cluster) -> Iterator[Prometheus]:
    namespace = f"prometheus-{secrets.token_hex(2)}"
    with cluster.deployed(HERE / "prometheus.yaml", "prometheus-operator", namespace):
        prometheus = Prometheus(cluster.node_port_url("prometheus", namespace))
        wait_until(prometheus.ready, bool, "Prometheus ready")
        yield prometheus


@pytest.fixture(scope="session")
def somebody_at_work(release: Release, shared: Share) -> None:
    """Runs a client that registers, logs in, reads, searches, sends GraphQL and logs out in a loop."""
    shared(HERE).enter_context(_visits(release))


@contextmanager
def _visits(release: Release) -> Iterator[None]:
    api = Api(release.address().url, lambda *_: [])
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(0.05):
            _one_visit(api.fresh())

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _one_visit(api: Api) -> None:
    """Errors are ignored: while memcached is down, a logout is answered with an error."""
    try:
        person = api.person()
        for _ in range(20):
            api.get("users/me", person.token)
            api.get("jobs?q=nurse&limit=1", person.token)
            api.root("/graphql?query=query Latest { search(first: 1) { nodes { id } } }")
        api.send("POST", "auth/logout", headers={"Authorization": f"Bearer {person.token}"})
    except (OSError, AssertionError):
        return
