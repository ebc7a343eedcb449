"""The tuning file's life: written, applied, refused, rolled back."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from lightkube.config.kubeconfig import KubeConfig
from lightkube.config.models import Cluster, User
from lightkube.core.async_client import AsyncClient
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap, Pod

from jobfinder_operator.clients.app_metrics import AppMetrics
from jobfinder_operator.clients.cluster import ClusterError, KubernetesCluster
from jobfinder_operator.deciding.snapshot import AppReading, PodSeen, Snapshot
from jobfinder_operator.observer import Sight
from jobfinder_operator.tuning import rollout
from jobfinder_operator.tuning.rollout import GOOD, KEY, PATIENCE_S, REFUSED, Refusals, TuningPlan

OLD, NEW = {"limits": {"requests_per_user": 600}}, {"limits": {"requests_per_user": 900}}


def config_map(contents: dict[str, Any] | None, generation: int = 4, **notes: dict[str, Any]) -> ConfigMap:
    annotations = {
        {"good": GOOD, "refused": REFUSED}[name]: json.dumps(value, sort_keys=True) for name, value in notes.items()
    }
    data = {} if contents is None else {KEY: json.dumps({"generation": generation, **contents})}
    return ConfigMap(metadata=ObjectMeta(name="x-tuning", annotations=annotations), data=data)


def seen(*generations: int, refused: bool = False) -> Snapshot:
    return Snapshot(0.0, pods=(PodSeen("u", "pod-a", app=AppReading(tuple(generations), refused)),))


def plan(found: ConfigMap | None, wanted: dict[str, Any], observed: Snapshot) -> TuningPlan:
    return rollout.plan(rollout.understand(found), wanted, observed)


def test_new_contents_are_written_with_a_greater_generation_and_an_event() -> None:
    made = plan(config_map(OLD, good=OLD), NEW, seen(4, 4))
    assert (made.write, made.generation) == (NEW, 5)
    assert made.notice is not None
    assert "limits.requests_per_user 600 -> 900" in made.notice.message


def test_unchanged_contents_are_not_written_again() -> None:
    assert plan(config_map(OLD, good=OLD), OLD, seen(4, 4)).write is None


def test_the_generation_grows_beyond_what_pods_have_seen_when_the_file_was_lost() -> None:
    assert plan(config_map(None), NEW, seen(17, 3)).generation == 18


def test_file_that_is_not_json_is_rewritten() -> None:
    broken = ConfigMap(metadata=ObjectMeta(name="x-tuning"), data={KEY: "{"})
    assert plan(broken, NEW, seen(4)).write == NEW


def test_file_is_good_once_every_worker_has_applied_it() -> None:
    assert plan(config_map(NEW, good=OLD), NEW, seen(4, 3)).annotations is None
    assert plan(config_map(NEW, good=OLD), NEW, seen(4, 4)).annotations == {GOOD: json.dumps(NEW, sort_keys=True)}


def test_task_workers_of_the_release_are_waited_for() -> None:
    for follows, applied in ((True, False), (False, True)):
        others = (PodSeen("w", "worker", app=AppReading((3,)), follows=follows),)
        made = plan(config_map(NEW, good=OLD), NEW, replace(seen(4, 4), neighbours=others))
        assert (made.annotations is not None) == applied


def test_file_that_a_task_worker_refuses_is_rolled_back() -> None:
    others = (PodSeen("w", "worker", app=AppReading((3,), refused=True)),)
    assert plan(config_map(NEW, good=OLD), NEW, replace(seen(4, 4), neighbours=others)).write == OLD


def test_refused_file_is_rolled_back_to_the_last_good_one() -> None:
    made = plan(config_map(NEW, good=OLD), NEW, seen(4, 3, refused=True))
    assert (made.write, made.generation) == (OLD, 5)
    assert made.annotations == {REFUSED: json.dumps(NEW, sort_keys=True)}
    assert made.notice is not None
    assert made.notice.type == "Warning"


def test_refused_file_without_a_good_one_is_replaced_by_the_defaults() -> None:
    assert plan(config_map(NEW), NEW, seen(3, refused=True)).write == {}


def test_refused_contents_are_not_retried_until_the_resource_changes() -> None:
    found = config_map(OLD, good=OLD, refused=NEW)
    kept = plan(found, NEW, seen(4, 4))
    assert kept.write is None
    assert kept.state.refused
    assert plan(found, {}, seen(4, 4)).write == {}


def test_the_last_good_one_is_not_rolled_back_to_itself() -> None:
    assert plan(config_map(OLD, good=OLD), OLD, seen(3, refused=True)).write is None


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def app(generation: int, refusals: int) -> dict[str, AppMetrics]:
    return {"u": AppMetrics({0: generation}, {0: refusals}, 0, 0, 0, 0, 0)}


def test_only_refusals_after_the_write_count() -> None:
    refusals = Refusals(Clock())
    refusals.expect(5, app(4, 2))
    assert refusals.of(5, app(4, 2)) == set()
    assert refusals.of(5, app(4, 3)) == {"u"}
    assert refusals.of(5, app(5, 3)) == set()


def test_earlier_refusal_does_not_count_however_long_the_new_file_takes() -> None:
    clock = Clock()
    refusals = Refusals(clock)
    refusals.expect(5, app(4, 1))
    assert refusals.of(5, app(4, 1)) == set()
    clock.now += 10 * PATIENCE_S
    assert refusals.of(5, app(4, 1)) == set()
    assert refusals.of(5, app(4, 2)) == {"u"}
    assert refusals.of(5, app(4, 2)) == {"u"}


def test_restarted_worker_counts_its_refusals_from_zero() -> None:
    refusals = Refusals(Clock())
    refusals.expect(5, app(4, 3))
    assert refusals.of(5, app(0, 0)) == set()
    assert refusals.of(5, app(0, 1)) == {"u"}


def test_refusal_of_a_pod_that_was_seen_before_it_counts_at_once() -> None:
    refusals = Refusals(Clock())
    refusals.expect(5, {})
    assert refusals.of(5, app(4, 0)) == set()
    assert refusals.of(5, app(4, 1)) == {"u"}


def test_refusal_seen_after_an_operator_restart_counts_when_it_persists() -> None:
    clock = Clock()
    refusals = Refusals(clock)
    assert refusals.of(5, app(4, 1)) == set()
    clock.now += PATIENCE_S + 1
    assert refusals.of(5, app(4, 1)) == {"u"}


def test_pod_that_has_not_read_the_file_has_not_refused_it() -> None:
    clock = Clock()
    refusals = Refusals(clock)
    refusals.of(5, app(4, 0))
    clock.now += PATIENCE_S + 1
    assert refusals.of(5, app(4, 0)) == set()


def carry_out(answer: Callable[[httpx2.Request], httpx2.Response]) -> None:
    """Write NEW to an API server that answers with `answer`; one pod still has the old file."""
    sight = Sight(seen(4), "x", followers={"u": Pod(metadata=ObjectMeta(name="pod-a"))}, apps=app(4, 0))
    file = rollout.understand(config_map(OLD, good=OLD))
    made = rollout.plan(file, NEW, sight.observed)
    config = KubeConfig.from_one(cluster=Cluster(server="http://api.test"), user=User(token="t")).get()

    async def run() -> None:
        cluster = KubernetesCluster(AsyncClient(config, namespace="test", transport=httpx2.MockTransport(answer)))
        await rollout.carry_out(cluster, file, made, sight, Refusals(Clock()))
        await cluster.close()

    asyncio.run(run())


def refused_pods(code: int, told: list[str]) -> Callable[[httpx2.Request], httpx2.Response]:
    def answer(request: httpx2.Request) -> httpx2.Response:
        told.append(request.url.path.rpartition("/")[2])
        if "/pods/" in request.url.path:
            return httpx2.Response(code, json={"kind": "Status", "code": code, "message": "no"}, request=request)
        return httpx2.Response(200, json={"metadata": {"name": "x-tuning"}}, request=request)

    return answer


def test_an_operator_that_may_not_annotate_pods_writes_the_file_and_goes_on() -> None:
    told: list[str] = []
    carry_out(refused_pods(403, told))
    assert told == ["x-tuning", "pod-a"]


def test_other_annotation_failures_fail_the_round() -> None:
    with pytest.raises(ClusterError, match=r"no \(500\)"):
        carry_out(refused_pods(500, []))
