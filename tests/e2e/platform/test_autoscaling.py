"""The autoscaler scales from two pods to six under load and back to two, and no request fails."""

from tests.e2e.platform.load.audit import audit
from tests.e2e.platform.load.watch import Load, pressing, watched
from tests.e2e.platform.release import NAME, Release

FEWEST, MOST = 2, 6
QUIET = Load(rate=30, connections=12, actors=1)
PRESSURE = Load(rate=3000, connections=48)
PAUSE_S = 0.5
QUICK = {"stabilizationWindowSeconds": 5, "policies": [{"type": "Pods", "value": 4, "periodSeconds": 5}]}
SCALING = {
    "hpa": {
        "minReplicas": FEWEST,
        "maxReplicas": MOST,
        "targetCPUUtilizationPercentage": 70,
        "behavior": {"scaleUp": {**QUICK, "stabilizationWindowSeconds": 0}, "scaleDown": QUICK},
    }
}


def test_the_autoscaler_follows_the_load_and_no_request_fails(release: Release) -> None:
    release.wait_until_healthy()
    with watched(release.address(), QUIET) as watch:
        with watch.phase("helm upgrade with another autoscaler"):
            release.upgrade(SCALING)
        with pressing(release.address(), PRESSURE) as pressure, watch.phase(f"from {FEWEST} to {MOST} pods"):
            wait_for_ready(release, MOST)
        with watch.phase(f"from {MOST} to {FEWEST} pods"):
            watch.tally.pause_s = PAUSE_S
            wait_for_ready(release, FEWEST)
            watch.wait_for_calm(300)
    report = pressure.finish()
    assert not report.failures, report.summary()
    watch.assert_nothing_failed()
    audit(release, watch)


def wait_for_ready(release: Release, number: int) -> None:
    """Wait until there are exactly `number` pods, all ready and none terminating."""
    try:
        release.wait_for_pods(
            lambda pods: len(pods) == number and all(each.ready and not each.ending for each in pods), f"{number} pods"
        )
    except AssertionError as error:
        error.add_note(f"the autoscaler says {release.get('hpa', NAME)['status']}")
        raise
