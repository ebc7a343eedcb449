"""`kubectl jobfinder` against the cluster."""

import subprocess
import sys

from tests.e2e.operator.resource import Config, environment
from tests.e2e.platform.release import CHECKOUT, NAME, Release

PLUGIN = CHECKOUT / "operator" / "jobfinder_operator" / "kubectl_jobfinder.py"


def run(release: Release, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(PLUGIN), *arguments, "--namespace", release.namespace]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment(release.cluster))


def test_top_shows_every_pod_and_every_memcached(release: Release, config: Config) -> None:
    config.wait_for("Ready", "BudgetConverged", timeout_s=60)
    shown = run(release, "top")
    assert shown.returncode == 0, shown.stderr
    for pod in (*release.pods(), *release.pods("memcached")):
        assert pod.name in shown.stdout


def test_explain_shows_the_numbers_of_the_budget(release: Release, config: Config) -> None:
    config.wait_for("Ready", "BudgetConverged", timeout_s=60)
    shown = run(release, "explain", "--name", NAME)
    assert shown.returncode == 0, shown.stderr
    assert "all is as the resource says" in shown.stdout
    assert "headroom 5" in shown.stdout


def test_missing_resource_is_reported(release: Release) -> None:
    shown = run(release, "top", "--name", "nobody")
    assert shown.returncode == 1
    assert "not found" in shown.stderr
