"""More replicas without the operator: refused at once, taken in two steps, and never too many connections meanwhile."""

import pytest

from tests.e2e.cluster.config import ClusterError
from tests.e2e.operator.backends import greedy, sampled
from tests.e2e.platform.load.watch import Load, watched
from tests.e2e.platform.release import Release

LOAD = Load(rate=30, connections=12, actors=1)
BUDGET, FEWEST, MOST, MORE = 80, 2, 6, 18


def test_more_replicas_never_exceed_the_budget_on_their_way(release: Release) -> None:
    """The budget is what the release has had from its beginning, shared by as many pods as MOST replicas make."""
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
