"""One release with the operator that the tests of this folder share, in a fixed order."""

from pathlib import Path

import pytest

from app.infra.tuning.fitness import UNLIMITED
from charts.live_settings import resource_name
from tests.e2e.cluster.access import Cluster
from tests.e2e.operator.replica import MANIFEST, REPLICA, let_it_stream
from tests.e2e.operator.resource import Config
from tests.e2e.platform.release import Release, installed
from tests.e2e.sequence import Share, put_in_order

HERE = Path(__file__).parent
ORDER = ("budget", "edits", "rights", "plugin", "upgrade", "deletion")
BUDGET, HEADROOM, FEWEST, MOST = 47, 5, 2, 8
REPLICA_BUDGET, REPLICA_HEADROOM = 40, 3  # enough for a floor of 2, which a test sets
WORKERS = 2 * 1 * 2  # connections of task workers: 1 pod, which a rollout can double, with 2 connections
REALTIME = (2 * 1 + 1) * 1  # of the realtime gateway: 1 pod, which a rollout can double, 1 of surge, with 1 connection
QUICK = {"stabilizationWindowSeconds": 5, "policies": [{"type": "Pods", "value": 8, "periodSeconds": 5}]}
LIMITLESS = {resource_name(name): value for name, value in UNLIMITED.items()}
CONFIG = {
    "limits": LIMITLESS,
    "accounts": {"sessionsPerUser": 10_000},  # the checker's users log in more often than real ones
    "passwords": {"bcryptCost": 4, "queue": 1000},
}
VALUES = {
    "operator": {
        "enabled": True,
        "config": CONFIG,
        "resources": {"requests": {"cpu": "50m"}},
    },
    "tuning": {},
    "database": {
        "connectionBudget": BUDGET,
        "headroom": HEADROOM,
        "maxPods": 2 * MOST + 1,
        "replicas": [{"name": "a", "host": REPLICA, "connectionBudget": REPLICA_BUDGET, "headroom": REPLICA_HEADROOM}],
    },
    "postgresql": {
        "enabled": True,
        "maxConnections": BUDGET + 3,
        "storage": {"ephemeral": True},
        "resources": {"requests": {"cpu": "50m"}},
    },
    "hpa": {
        "minReplicas": FEWEST,
        "maxReplicas": MOST,
        "targetCPUUtilizationPercentage": 10_000,
        "behavior": {"scaleUp": {**QUICK, "stabilizationWindowSeconds": 0}, "scaleDown": QUICK},
    },
    "workers": 1,
    "worker": {
        "enabled": True,
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
    },
    "realtime": {
        "enabled": True,
        "connections": 1,
        "drainSeconds": 5,
        "hpa": {"minReplicas": 1, "maxReplicas": 1},
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
    },
    "preStopSeconds": 3,
    "memcached": {"replicas": 1, "resources": {"requests": {"cpu": "10m"}, "limits": {"memory": "128Mi"}}},
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    put_in_order(items, HERE, ORDER)


@pytest.fixture(scope="session")
def release(cluster: Cluster, shared: Share) -> Release:
    """Installed with a streaming replica into a new namespace, which is deleted afterwards."""
    made = shared(HERE).enter_context(installed(cluster, "operator", VALUES, before=MANIFEST))
    let_it_stream(made)
    return made


@pytest.fixture(scope="session")
def config(release: Release) -> Config:
    """The release's JobFinderConfig, once the operator has reconciled it."""
    found = Config(release)
    found.wait_for("Ready", timeout_s=120)
    return found
