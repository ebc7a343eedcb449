"""Scaling up without the operator is refused in one step and accepted in two; the budget is never exceeded."""

import pytest

from tests.e2e.cluster.config import ClusterError
from tests.e2e.operator.backends import greedy, sampled
from tests.e2e.platform.load.watch import Load, watched
from tests.e2e.platform.release import Release

LOAD = Load(rate=30, connections=12, actors=1)
BUDGET, FEWEST, MOST, MORE = 80, 2, 6, 18


def test_scaling_up_in_two_steps_stays_within_the_budget(release: Release) -> None:
    """The budget of the installed release is divided among the pods that MOST replicas can make."""
    few = {"hpa": {"minReplicas": FEWEST, "maxReplicas": MOST}}
    release.upgrade(few)
    release.wait_until_healthy()
    slots = {"database": {"maxPods": 2 * MORE + 1}}
    with sampled(release) as samples, watched(release.address(), LOAD) as watch, greedy(release):
        with pytest.raises(ClusterError, match=f"--set hpa.maxReplicas={MOST},database.maxPods={2 * MORE + 1}"):
            release.upgrade({"hpa": {"maxReplicas": MORE}, **slots})
        with watch.phase("smaller pools"):
            release.upgrade({**few, **slots})
            release.wait_until_rolled_out()
        with watch.phase(f"{MOST + 2} pods of at most {MORE}"):
            release.upgrade({"hpa": {"minReplicas": MOST + 2, "maxReplicas": MORE}})
            release.wait_for_pods(lambda pods: sum(each.ready for each in pods) == MOST + 2, f"{MOST + 2} pods")
        watch.wait_for_calm(300)
    assert len(samples.numbers) > 50, samples
    assert 0 < samples.most <= BUDGET, samples.most
    watch.assert_nothing_failed()
