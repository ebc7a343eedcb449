"""Pods of every component and a replica come and go, and no PostgreSQL has more connections than its budget."""

import json
import logging
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.operator import replica
from tests.e2e.operator.backends import Convergence, greedy, replica_sampled, sampled
from tests.e2e.operator.conftest import BUDGET, FEWEST, HEADROOM, MOST, REPLICA_BUDGET
from tests.e2e.operator.resource import Config, Seen
from tests.e2e.platform.load.watch import Load, watched
from tests.e2e.platform.release import NAME, Pod, Release
from tests.e2e.waiting import wait_until

LOAD = Load(rate=150, connections=16, actors=3)
ALLOWED = BUDGET - HEADROOM
FLOOR = 1
COMPONENT = "app.kubernetes.io/component"
log = logging.getLogger(__name__)


def scale(release: Release, fewest: int, most: int) -> None:
    """Set the autoscaler's minimum to `fewest`, and wait until there are exactly so many pods, all ready."""
    release.kubectl("patch", "hpa", NAME, "--type=merge", "-p", json.dumps({"spec": {"minReplicas": fewest}}))
    release.wait_for_pods(
        lambda pods: len(pods) == fewest and all(each.ready and not each.ending for each in pods), f"{fewest} pods"
    )


def convergence(release: Release) -> Convergence:
    """A pod counts as served when its cap has reached its target and is above the floor."""

    def look() -> tuple[list[Pod], dict[str, bool]]:
        found = release.get("pods,jfc", "-l", f"app.kubernetes.io/instance={NAME}")["items"]
        pods = [Pod.of(each) for each in found if each["metadata"]["labels"][COMPONENT] == "app"]
        seen = next((Seen(each) for each in found if each["kind"] == "JobFinderConfig"), Seen({}))
        return pods, {name: FLOOR < each["cap"] >= each["target"] for name, each in seen.pods.items()}

    return Convergence(look)


@contextmanager
def killed_at_random(release: Release, seed: int) -> Iterator[list[str]]:
    """Delete the pod of the operator, or those of another component, every 4 to 12 s, gracefully or by force.

    Yields their names.
    """
    over, killed, dice = threading.Event(), list[str](), random.Random(seed)

    def kill() -> None:
        while not over.wait(dice.uniform(4, 12)):
            for pod in release.pods(dice.choice(("operator", "operator", "worker", "realtime"))):
                gentle = dice.random() < 0.5
                how = ("--wait=false",) if gentle else ("--wait=false", "--force", "--grace-period=0")
                release.kubectl("delete", "pod", pod.name, "--ignore-not-found", *how)
                killed.append(pod.name)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    try:
        yield killed
    finally:
        over.set()
        killer.join(timeout=60)
        for name in (f"{NAME}-operator", f"{NAME}-worker", f"{NAME}-realtime"):
            release.kubectl("rollout", "status", f"deployment/{name}", "--timeout=120s")


@pytest.mark.timeout(600)
def test_2_to_8_to_2_pods_stay_within_the_budget(release: Release, config: Config) -> None:
    config.wait_for("BudgetConverged", timeout_s=60)
    replica.wait_until_used(release)
    with (
        sampled(release) as samples,
        replica_sampled(release) as of_replica,
        watched(release.address(), LOAD) as watch,
        greedy(release),
        convergence(release) as converging,
    ):
        with watch.phase(f"from {FEWEST} to {MOST} pods, while the replica goes away and comes back"):
            wait_until(lambda: len(of_replica.numbers), bool, "a sample of the first replica", timeout_s=60)
            replica.kill(release)
            scale(release, MOST, MOST)
            replica.wait_until_there(release)
            config.wait_for("BudgetConverged", timeout_s=60)
        here = {each.name for each in release.pods()}
        wait_until(lambda: here - converging.served.keys(), lambda late: not late, "every pod served", timeout_s=60)
        took = converging.slowest(here)
        with watch.phase(f"from {MOST} to {FEWEST} pods"):
            scale(release, FEWEST, MOST)
            config.wait_for("BudgetConverged", timeout_s=60)
        watch.wait_for_calm(300)
    log.info("at most %s of %s in %s samples; served after %s", samples.most, ALLOWED, len(samples.numbers), took)
    log.info("at most %s of %s of the replica in %s samples", of_replica.most, REPLICA_BUDGET, len(of_replica.numbers))
    assert len(samples.numbers) > 100, samples
    assert not [each for each in samples.problems if "too many" in each], samples.problems
    assert FEWEST < samples.most <= BUDGET
    assert FEWEST < of_replica.most <= REPLICA_BUDGET
    assert len(of_replica.servers) == 2 and len(of_replica.numbers) > 30, of_replica
    replica.wait_until_used(release)
    assert config.see().status["replicas"][0]["budget"]["total"] <= REPLICA_BUDGET
    assert len(took) >= MOST
    watch.assert_nothing_failed()


@pytest.mark.timeout(600)
def test_operator_killed_at_random_keeps_the_budget(release: Release, config: Config) -> None:
    with (
        sampled(release) as samples,
        replica_sampled(release) as of_replica,
        watched(release.address(), LOAD) as watch,
        greedy(release),
        killed_at_random(release, seed=7) as killed,
    ):
        with watch.phase(f"from {FEWEST} to {MOST} pods, while other components are replaced"):
            release.kubectl("scale", f"deployment/{NAME}-worker", "--replicas=2")
            scale(release, MOST, MOST)
            release.kubectl("rollout", "restart", f"deployment/{NAME}-worker", f"deployment/{NAME}-realtime")
        with watch.phase(f"from {MOST} to {FEWEST} pods"):
            scale(release, FEWEST, MOST)
            release.kubectl("scale", f"deployment/{NAME}-worker", "--replicas=1")
        watch.wait_for_calm(300)
    config.wait_for("BudgetConverged", "TuningApplied", timeout_s=90)
    log.info("killed %s times; at most %s in %s samples", len(killed), samples.most, len(samples.numbers))
    assert len(killed) >= 2
    assert len(samples.numbers) > 100, samples
    assert samples.most <= BUDGET and of_replica.most <= REPLICA_BUDGET
    watch.assert_nothing_failed()
