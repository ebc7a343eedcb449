"""Upgrades from a version whose pods do not know the database's record of its log of changes must keep that log."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.chart.lookups import deployment, upgrade
from tests.e2e.chart.rendering import EXTERNAL, Manifest, named, render

OWN = "jobfinder-memcached-0.jobfinder-memcached.jobs.svc.cluster.local:11211"


def running(servers: str, *, knows_the_record: bool = False) -> Manifest:
    """A Deployment with these MEMCACHED_SERVERS; unless `knows_the_record`, it is of an earlier version."""
    made = deployment(5, DATABASE_HOST="postgresql.example")
    if not knows_the_record:
        del made["metadata"]["annotations"]
    if servers:
        made["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "MEMCACHED_SERVERS", "value": servers}]
    return made


@pytest.mark.parametrize(
    ("servers", "enabled"), [("", True), ("other:11211", True), (OWN, False)], ids=["none", "another", "removed"]
)
def test_changing_the_log_of_earlier_pods_is_refused(tmp_path: Path, servers: str, enabled: bool) -> None:
    outcome = upgrade({**EXTERNAL, "memcached": {"enabled": enabled}}, [running(servers)], tmp_path)
    assert not outcome.ok
    assert "The pods that run are of an earlier version" in outcome.complaint
    assert f"--set memcached.enabled={str(bool(servers)).lower()}" in outcome.complaint
    assert "rollout status deployment/jobfinder" in outcome.complaint


@pytest.mark.parametrize(
    ("servers", "enabled"), [("", False), (OWN, True), (f"{OWN},other:11211", True)], ids=["none", "same", "fewer"]
)
def test_keeping_the_log_of_earlier_pods_is_accepted(tmp_path: Path, servers: str, enabled: bool) -> None:
    outcome = upgrade({**EXTERNAL, "memcached": {"enabled": enabled}}, [running(servers)], tmp_path)
    assert outcome.ok, outcome.complaint


def test_changing_the_log_of_current_pods_is_accepted(tmp_path: Path) -> None:
    outcome = upgrade(EXTERNAL, [running("other:11211", knows_the_record=True)], tmp_path)
    assert outcome.ok, outcome.complaint


@pytest.mark.parametrize(
    ("values", "server"),
    [
        ({}, OWN),
        ({"memcached": {"enabled": False}, "extraEnv": [{"name": "MEMCACHED_SERVERS", "value": "a.b:1,c:2"}]}, "a.b:1"),
    ],
    ids=["of the chart", "another"],
)
def test_alerts_know_the_server_that_has_the_log(values: dict[str, Any], server: str) -> None:
    manifests = render({**EXTERNAL, **values, "monitoring": {"rules": {"enabled": True}}})
    [group] = [
        each
        for each in named(manifests, "PrometheusRule", "jobfinder")["spec"]["groups"]
        if "log-server" in each["name"]
    ]
    found = re.search(r'server=~"([^"]*)"', group["rules"][0]["expr"])
    assert found is not None
    assert re.fullmatch(found[1], server)
    assert not re.fullmatch(found[1], "c:2")
