"""Planned changes (upgrade, restart, deletion, eviction) fail no request; logouts stay final, and searches fresh."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from tests.e2e.platform.load.audit import audit
from tests.e2e.platform.load.clients import Address
from tests.e2e.platform.load.searches import searching
from tests.e2e.platform.load.streams import following
from tests.e2e.platform.load.watch import Load, Watch, watched
from tests.e2e.platform.release import NAME, Release
from tests.e2e.platform.routing import BY_INGRESS, BY_ROUTE

REQUESTS = 100_000
LOAD = Load(rate=900, connections=48, actors=5)
CHANGED = {"podAnnotations": {"example.com/changed": "yes"}}


def test_no_planned_change_fails_a_request(release: Release, ingress_port: Address) -> None:
    """The upgrade also replaces the realtime gateway: its clients are back by themselves and have missed nothing."""
    release.wait_until_healthy()
    caches, gateways = release.uids("memcached"), release.uids("realtime")
    ways = [replace(ingress_port, name=name) for name in (BY_INGRESS, BY_ROUTE)]
    with watched(release.address(), LOAD) as watch, searching(release.address()) as searches:
        watch.wait_for_requests(2000)
        with following(release.address(), ways) as streams:
            with replacing(release, watch, "helm upgrade with another pod template", release.uids()):
                release.upgrade(CHANGED)
            gone = "the former pods of realtime gone"
            release.wait_for_pods(lambda pods: not gateways & {each.uid for each in pods}, gone, "realtime")
        streams.assert_complete(versions(release))
        with replacing(release, watch, "kubectl rollout restart", release.uids()):
            release.kubectl("rollout", "restart", f"deployment/{NAME}")
        one = release.pods()[0]
        with replacing(release, watch, "kubectl delete pod", {one.uid}):
            release.kubectl("delete", "pod", one.name, "--wait=false")
        one, other = release.pods()
        with replacing(release, watch, "eviction, as of kubectl drain", {one.uid}):
            evict(release, one.name)
            with pytest.raises(Exception, match="disruption budget"):
                evict(release, other.name)
        while watch.answered < REQUESTS:
            with replacing(release, watch, "kubectl rollout restart once more", release.uids()):
                release.kubectl("rollout", "restart", f"deployment/{NAME}")
    assert watch.answered >= REQUESTS, watch.summary()
    watch.assert_nothing_failed()
    searches.assert_nothing_failed()
    audit(release, watch)
    assert release.uids("memcached") == caches, "an upgrade replaced memcached, which had not changed"


def versions(release: Release) -> dict[int, int]:
    """The version of each account's profile, by its id."""
    command = ("psql", "--username=postgres", "--dbname=jobfinder", "-At", "-c", "SELECT id, version FROM users")
    told = release.kubectl("exec", f"{NAME}-postgresql-0", "-c", "postgresql", "--", *command)
    return {int(number): int(version) for number, _, version in (line.partition("|") for line in told.split())}


@contextmanager
def replacing(release: Release, watch: Watch, what: str, uids: set[str]) -> Iterator[None]:
    """Run the block, then wait until the pods of these uids are gone and all others are ready."""
    with watch.phase(what):
        yield
        release.wait_for_pods(lambda pods: not uids & {each.uid for each in pods}, f"{uids} replaced")
        release.wait_until_rolled_out()


def evict(release: Release, pod: str) -> None:
    """Evict the pod; raises ClusterError if the PodDisruptionBudget does not allow it."""
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": release.namespace},
    }
    path = f"/api/v1/namespaces/{release.namespace}/pods/{pod}/eviction"
    release.kubectl("create", "--raw", path, "-f", "-", given=json.dumps(eviction))
