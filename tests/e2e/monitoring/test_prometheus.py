"""Prometheus monitors a release: targets, rules, dashboards, and an alert that fires and resolves.

The tests run in the order of this file: first with a healthy release, at last with one without memcached.
"""

import json
from pathlib import Path

import pytest

from tests.e2e.monitoring import dashboards
from tests.e2e.monitoring.prometheus_api import Prometheus
from tests.e2e.platform.release import NAME, Release
from tests.e2e.waiting import wait_until

pytestmark = pytest.mark.usefixtures("somebody_at_work")

JOBS = (
    ("", "app"),
    ("-worker", "worker"),
    ("-realtime", "realtime"),
    ("-pgbouncer", "app"),
    ("-pgbouncer", "worker"),
    ("-pgbouncer", "realtime"),
    ("-operator", "operator"),
)
"""Suffix of the release's name in a job name, and component of its pods."""
MEMCACHED = {"JobfinderMemcachedDown", "JobfinderLogServerDown"}


def test_every_target_is_up(release: Release, prometheus: Prometheus) -> None:
    wanted = {(NAME + job, pod.name) for job, component in JOBS for pod in release.pods(component)}
    wait_until(
        prometheus.targets,
        lambda found: {each[:2] for each in found} == wanted and all(health == "up" for _, _, health, _ in found),
        f"all of {sorted(wanted)} up",
    )


def test_every_rule_is_evaluated(release: Release, prometheus: Prometheus) -> None:
    shipped = release.get("prometheusrule", NAME)["spec"]["groups"]
    wanted = {f"{group['name']}/{rule.get('alert') or rule['record']}" for group in shipped for rule in group["rules"]}
    wait_until(
        prometheus.rules,
        lambda found: found.keys() == wanted and set(found.values()) == {"ok"},
        f"all of {sorted(wanted)} ok",
    )


@pytest.mark.parametrize("path", dashboards.FILES, ids=lambda path: path.stem)
def test_every_query_of_the_dashboards_has_data(release: Release, prometheus: Prometheus, path: Path) -> None:
    dashboard = release.get("configmap", f"{NAME}-dashboard-{path.stem}")["data"]
    [text] = dashboard.values()
    asked = dict(dashboards.queries(json.loads(text), release.namespace, NAME))
    wait_until(
        lambda: [name for name, expression in asked.items() if not prometheus.has_data(expression)],
        lambda without: not without,
        "every query has data",
    )


def test_healthy_release_fires_no_alert(release: Release, prometheus: Prometheus) -> None:
    wait_until(
        lambda: prometheus.alerts(release.namespace),
        lambda found: "firing" not in {state for _, state in found},
        "no alert",
    )


def test_memcached_down_fires_and_resolves(release: Release, prometheus: Prometheus) -> None:
    replicas = release.get("statefulset", f"{NAME}-memcached")["spec"]["replicas"]
    release.kubectl("scale", "statefulset", f"{NAME}-memcached", "--replicas=0")
    try:
        wait_until(
            lambda: prometheus.alerts(release.namespace),
            lambda found: {name for name, state in found if state == "firing"} >= MEMCACHED,
            f"{sorted(MEMCACHED)} firing",
        )
    finally:
        release.kubectl("scale", "statefulset", f"{NAME}-memcached", f"--replicas={replicas}")
    wait_until(
        lambda: prometheus.alerts(release.namespace),
        lambda found: not {name for name, _ in found} & MEMCACHED,
        f"{sorted(MEMCACHED)} resolved",
    )
