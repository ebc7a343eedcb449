"""Another autoscaler, the Service's load balancer, and annotations and labels of hooks."""

from typing import Any

import pytest

from tests.e2e.chart.rendering import (
    EVERYTHING,
    EXTERNAL,
    Manifest,
    Values,
    container,
    environment,
    named,
    pods,
    render,
)
from tests.e2e.chart.rendering import refusal as refused

SCALED: Values = {**EXTERNAL, "hpa": {"enabled": False}, "replicas": None}
MARKS = {"annotations": {"own/a": "1"}, "labels": {"own/l": "2"}}
POD_MARKS = {"podAnnotations": {"own/pa": "3"}, "podLabels": {"own/pl": "4"}}


def _scaled(max_pods: int | None, **more: Any) -> Values:
    return {**SCALED, "database": {**EXTERNAL["database"], "maxPods": max_pods}, **more}


def test_null_replicas_leave_the_number_to_another_autoscaler() -> None:
    assert "replicas" not in named(render(_scaled(21)), "Deployment", "jobfinder")["spec"]
    assert named(render({**SCALED, "replicas": 3}), "Deployment", "jobfinder")["spec"]["replicas"] == 3


@pytest.mark.parametrize(("max_pods", "pool"), [(21, "3"), (3, "25")])
def test_pods_of_another_autoscaler_share_the_budget(max_pods: int, pool: str) -> None:
    pod = dict(pods(render(_scaled(max_pods))))["Deployment/jobfinder"]
    assert environment(container(pod, "pgbouncer-config"))["PGBOUNCER_POOL_SIZE"] == pool


def test_operator_config_may_set_max_pods() -> None:
    operator = {**EVERYTHING["operator"], "config": {"database": {"maxPods": 30}}}
    spec = named(render(_scaled(None, operator=operator)), "JobFinderConfig", "jobfinder")["spec"]
    assert spec["database"]["maxPods"] == 30
    assert "hpa" not in spec["target"]


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        (_scaled(None), "database.maxPods is needed while hpa.enabled is false and replicas is null"),
        (_scaled(2), "2 x replicas 1 + surge 1 = 3 pods at once"),
        (_scaled(2, strategy={"maxSurge": "50%"}), "2 x replicas 1 + surge 1 = 3 pods at once"),
        (_scaled(90), "is more than database.connectionBudget 80"),
        (_scaled(90), "Nearest that works: database.connectionBudget 95, or database.maxPods 75."),
        ({**SCALED, "replicas": 0}, "replicas"),
    ],
)
def test_unsafe_max_pods_or_replicas_are_refused(values: Values, complaint: str) -> None:
    assert complaint in refused(values)


def test_load_balancer_values_reach_the_service() -> None:
    told = {
        "externalTrafficPolicy": "Local",
        "loadBalancerClass": "example.com/inner",
        "loadBalancerSourceRanges": ["10.0.0.0/8", "2001:db8::/32"],
    }
    spec = _service({"type": "LoadBalancer", **told})
    assert {name: spec[name] for name in told} == told
    assert _service({"type": "NodePort", "externalTrafficPolicy": "Cluster"})["externalTrafficPolicy"] == "Cluster"
    assert not set(told) & set(_service({}))


def _service(values: Values) -> Manifest:
    spec: Manifest = named(render({**EXTERNAL, "service": values}), "Service", "jobfinder")["spec"]
    return spec


@pytest.mark.parametrize(
    "service",
    [
        {"externalTrafficPolicy": "Local"},
        {"nodePort": 30080},
        {"type": "NodePort", "loadBalancerClass": "a"},
        {"type": "NodePort", "loadBalancerSourceRanges": ["10.0.0.0/8"]},
        {"type": "LoadBalancer", "loadBalancerSourceRanges": ["everybody"]},
        {"type": "LoadBalancer", "externalTrafficPolicy": "Near"},
    ],
)
def test_values_that_do_not_fit_the_service_type_are_refused(service: Values) -> None:
    assert "service" in refused({**EXTERNAL, "service": service})


@pytest.mark.parametrize(
    ("name", "value"), [("jobfinder-migrate", "migrations"), ("jobfinder-operator-crd", "operator.crds")]
)
def test_hook_jobs_and_their_pods_get_annotations_and_labels(name: str, value: str) -> None:
    marks = {**MARKS, **POD_MARKS}
    values = {"migrations": marks, "operator": {**EVERYTHING["operator"], "crds": marks}}
    job = named(render({**EVERYTHING, **values}), "Job", name)
    before = named(render(EVERYTHING), "Job", name)
    for what, own, kind in (
        ("annotations", job["metadata"], "annotations"),
        ("labels", job["metadata"], "labels"),
        ("podAnnotations", job["spec"]["template"]["metadata"], "annotations"),
        ("podLabels", job["spec"]["template"]["metadata"], "labels"),
    ):
        assert own[kind].items() >= marks[what].items(), (value, what)
    assert job["metadata"]["annotations"].items() >= before["metadata"]["annotations"].items()
    assert job["spec"]["template"]["metadata"]["labels"].items() >= _pod_labels(before).items()


def _pod_labels(job: Manifest) -> dict[str, str]:
    labels: dict[str, str] = job["spec"]["template"]["metadata"]["labels"]
    return labels


def test_migration_without_a_hook_gets_annotations_and_labels() -> None:
    jobs = [
        each
        for each in render({**EXTERNAL, "migrations": {"hook": False, **MARKS}})
        if each["metadata"]["name"].startswith("jobfinder-migrate-")
    ]
    assert [each["metadata"]["annotations"] for each in jobs] == [MARKS["annotations"]]
    assert jobs[0]["metadata"]["labels"]["own/l"] == "2"


def test_helm_test_pod_gets_annotations_and_labels() -> None:
    pod = named(render({**EXTERNAL, "tests": MARKS}), "Pod", "jobfinder-test")["metadata"]
    found = (pod["annotations"]["own/a"], pod["annotations"]["helm.sh/hook"], pod["labels"]["own/l"])
    assert found == ("1", "test", "2")


def test_hook_annotations_can_be_replaced_but_selector_labels_cannot() -> None:
    policy, part = "helm.sh/hook-delete-policy", "app.kubernetes.io/component"
    given = {"annotations": {policy: "before-hook-creation"}, "labels": {part: "x"}, "podLabels": {part: "x"}}
    job = named(render({**EXTERNAL, "migrations": given}), "Job", "jobfinder-migrate")
    assert job["metadata"]["annotations"][policy] == "before-hook-creation"
    assert job["metadata"]["labels"][part] == _pod_labels(job)[part] == "migrate"
