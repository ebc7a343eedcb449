"""Deleting the resource lowers the pools to their floors; uninstalling never hangs."""

from itertools import product

from tests.e2e.operator.conftest import BUDGET
from tests.e2e.operator.resource import Config
from tests.e2e.operator.test_edits import BOUNDS, console_setting
from tests.e2e.platform.load.watch import Load, watched
from tests.e2e.platform.release import NAME, Release
from tests.pods.pod import wait_for

LOAD = Load(rate=150, connections=16, actors=3)


def test_deleting_the_resource_lowers_pools_to_the_floor(release: Release, config: Config) -> None:
    config.wait_for("Ready", "BudgetConverged", timeout_s=60)
    saved = config.see().object
    assert saved["metadata"].get("finalizers", []) == []
    pods = [each.name for each in release.pods()]
    with watched(release.address(), LOAD) as watch:
        release.kubectl("delete", "jfc", NAME, "--timeout=10s")
        wait_for(lambda: {console_setting(release, *each) for each in product(pods, BOUNDS)} == {1}, "the floors", 30)
        watch.wait_for_calm(300)
    watch.assert_nothing_failed()
    release.upgrade()
    seen = config.wait_for("Ready", "BudgetConverged", "TuningApplied", timeout_s=90)
    assert seen.status["budget"]["budget"] == BUDGET


def test_uninstall_succeeds_without_a_running_operator(release: Release) -> None:
    release.kubectl("scale", f"deployment/{NAME}-operator", "--replicas=0")
    release.wait_for_pods(lambda pods: not pods, "no operator", component="operator")
    release.uninstall()
    assert release.get("jfc")["items"] == []
