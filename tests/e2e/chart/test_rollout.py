"""An upgrade whose old and new pods could together exceed the budget is refused; the error gives two safe steps."""

from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.e2e.chart.lookups import autoscaler, config, deployment, pod, upgrade
from tests.e2e.chart.rendering import (
    BUNDLED,
    EXTERNAL,
    Manifest,
    Values,
    container,
    environment,
    helm_template,
    pods,
    refusal,
    render,
)
from tests.unit.operator.model.chart_budget import Release, Running, rollout

WITHOUT = Running(operator=False, pool_size=5, floor=5, pods=13, max_pods=0, most=6, budget=70)
WITH = Running(operator=True, pool_size=32, floor=1, pods=13, max_pods=13, most=6, budget=80)


def values(release: Release, running: Running | None = None) -> Values:
    known = {
        "operator": "operator",
        "pool_size": "poolSize",
        "floor": "floor",
        "pods": "pods",
        "max_pods": "maxPods",
        "most": "most",
        "budget": "connectionBudget",
    }
    told = {known[name]: value for name in known if running and (value := getattr(running, name))}
    database = {"connectionBudget": release.budget, "headroom": release.headroom, "running": told}
    return {
        **EXTERNAL,
        "database": {**EXTERNAL["database"], **database, **({"maxPods": release.max_pods} if release.max_pods else {})},
        "hpa": {"minReplicas": 1, "maxReplicas": release.replicas},
        "strategy": {"maxSurge": release.surge},
        "pgbouncer": {"floor": release.floor, "maxPerPod": release.per_pod},
        "operator": {"enabled": release.operator, "existingSecret": "o", "tls": {"existingSecret": "t"}},
    }


@pytest.mark.parametrize(
    ("running", "new", "words"),
    [
        (
            WITHOUT,
            Release(replicas=18),
            (
                "pools of up to 5 x 37 pods + database.headroom 5 = 190 are more than database.connectionBudget 80: "
                "pods that run have up to 5, new ones 2. Take two steps: 1. this upgrade with --set "
                "hpa.maxReplicas=6,database.maxPods=37, and wait until the former pods are gone 2. this upgrade"
            ),
        ),
        (
            Running(operator=False, pool_size=2, floor=2, pods=37, max_pods=0, most=18, budget=79),
            Release(replicas=6),
            (
                "5 x 37 pods + database.headroom 5 = 190 are more than database.connectionBudget 80: "
                "pods that run have up to 2, new ones 5. Take two steps: 1. this "
                "upgrade with --set hpa.maxReplicas=6,database.maxPods=37"
            ),
        ),
        (
            WITH,
            Release(),
            (
                "32 x 13 pods + database.headroom 5 = 421 are more than database.connectionBudget 80: "
                "pods that run have up to 32, new ones 5. Take two steps: 1. "
                "kubectl -n jobs patch jfc jobfinder --type=merge -p "
                '\'{"spec":{"database":{"perPod":{"max":5}}}}\', and wait until its condition BudgetConverged is True'
            ),
        ),
        (
            WITH,
            Release(operator=True, floor=2),
            (
                "Floor 2 x 13 pods are more than the operator keeps free of what it has granted: floor 1 x 13 pods. "
                "New pods would come before others have given up theirs. Take two steps: 1. kubectl -n jobs patch jfc "
                "jobfinder --type=merge -p "
                '\'{"spec":{"database":{"connectionBudget":80,"maxPods":13,"perPod":{"floor":2}}}}\''
            ),
        ),
        (WITH, Release(operator=True, replicas=8), "Floor 1 x 17 pods are more than the operator keeps free"),
        (WITHOUT, Release(operator=True, replicas=18), "5 x 37 pods + database.headroom 5 = 190"),
    ],
)
def test_upgrade_above_the_budget_is_refused_with_two_steps(running: Running, new: Release, words: str) -> None:
    assert words in refusal(values(new, running))


@pytest.mark.parametrize(
    ("running", "new", "size"),
    [
        (WITHOUT, Release(max_pods=37), 2),
        (replace(WITHOUT, pool_size=2, budget=31), Release(replicas=18), 2),
        (WITHOUT, Release(budget=40), 2),
        (WITHOUT, Release(budget=160), 11),
        (WITHOUT, Release(operator=True), 1),
        (replace(WITH, pool_size=5), Release(), 5),
        (replace(WITH, floor=2), Release(operator=True, floor=2), 2),
        (replace(WITH, max_pods=17), Release(operator=True, replicas=8), 1),
    ],
)
def test_each_of_the_two_steps_is_accepted(running: Running, new: Release, size: int) -> None:
    app = dict(pods(render(values(new, running))))["Deployment/jobfinder"]
    assert environment(container(app, "pgbouncer-config"))["PGBOUNCER_POOL_SIZE"] == str(size)


def test_the_model_of_the_chart_agrees_with_helm() -> None:
    random = Random(11)
    drawn = [_drawn(random) for _ in range(12)]
    assert [_by_helm(running, new) for running, new in drawn] == [_by_model(running, new) for running, new in drawn]


def _drawn(random: Random) -> tuple[Running, Release]:
    new = Release(
        budget=random.choice((40, 80, 120)),
        headroom=random.choice((1, 5)),
        replicas=random.randint(1, 20),
        surge=random.randint(1, 3),
        max_pods=random.choice((0, 0, 13, 41)),
        floor=random.choice((1, 1, 2)),
        per_pod=random.choice((4, 32)),
        operator=random.random() < 0.4,
    )
    most, size = random.randint(1, 20), random.randint(1, 8)
    operator = random.random() < 0.4
    running = Running(
        operator, size, random.choice((1, 2)), 2 * most + 1, 2 * most + 1, most, size * (2 * most + 1) + 5
    )
    return running, new


def _by_model(running: Running, new: Release) -> Any:
    if not new.feasible:
        return "infeasible"
    if (refused := rollout(running, new)) is None:
        return new.start
    first = refused.first
    return f"hpa.maxReplicas={first.replicas},database.maxPods={first.max_pods}" if first else "patch"


def _by_helm(running: Running, new: Release) -> Any:
    outcome = helm_template(values(new, running), "--show-only", "templates/app/deployment.yaml")
    if outcome.ok:
        app = dict(pods(outcome.manifests))["Deployment/jobfinder"]
        return int(environment(container(app, "pgbouncer-config"))["PGBOUNCER_POOL_SIZE"])
    if "Take two steps" not in outcome.complaint:
        return "infeasible"
    if "kubectl" in outcome.complaint:
        return "patch"
    return outcome.complaint.partition("--set ")[2].partition(", and wait")[0]


SIX = (deployment(5), autoscaler(6))
OPERATED = (deployment(1), autoscaler(6))


@pytest.mark.parametrize(
    ("objects", "new", "words"),
    [
        ((), Release(replicas=18), ""),
        (SIX, Release(), ""),
        (SIX, Release(replicas=18), "pools of up to 5 x 37 pods + database.headroom 5 = 190"),
        (SIX, Release(max_pods=37), ""),
        ((deployment(2), autoscaler(6)), Release(replicas=18), ""),
        ((deployment(2), autoscaler(6), pod(1, 5)), Release(replicas=18), "pools of up to 5 x 37 pods"),
        ((deployment(2), autoscaler(6), pod(1, 5, "Failed")), Release(replicas=18), ""),
        ((deployment(2, "25%"), autoscaler(18)), Release(), "5 x 41 pods"),
        ((deployment(2), autoscaler(18, "keda-hpa-jobfinder")), Release(), "5 x 37 pods"),
        ((deployment(2), autoscaler(6), autoscaler(18, "a-second-one")), Release(), "5 x 37 pods"),
        ((deployment(2), autoscaler(18, target="other")), Release(), ""),
        ((deployment(2), autoscaler(18, kind="StatefulSet")), Release(), ""),
        ((deployment(5),), Release(replicas=18), "--set hpa.maxReplicas=3,database.maxPods=37"),
        ((deployment(2), autoscaler(6), *(pod(n, 2) for n in range(30))), Release(), "5 x 30 pods"),
        ((*OPERATED, config(perPod={"floor": 1, "max": 32})), Release(), '"perPod":{"max":5}'),
        ((*OPERATED, config(perPod={"floor": 1, "max": 5})), Release(), ""),
        ((*OPERATED, config(perPod={"floor": 1, "max": 5}, converged=False)), Release(), '"perPod":{"max":5}'),
        ((*OPERATED, config()), Release(operator=True), ""),
        ((*OPERATED, config(converged=False)), Release(operator=True), ""),
        ((*OPERATED, config()), Release(operator=True, floor=2), '"perPod":{"floor":2}'),
        ((*OPERATED, config(perPod={"floor": 2})), Release(operator=True, floor=2), ""),
        ((*OPERATED, config(perPod={"floor": 2}, converged=False)), Release(operator=True, floor=2), "Take two steps"),
        ((*OPERATED, config(maxPods=17)), Release(operator=True, replicas=8), ""),
        ((*OPERATED, config()), Release(operator=True, replicas=8), '"maxPods":17'),
        (SIX, Release(operator=True), ""),
    ],
)
def test_running_objects_are_looked_up_in_the_cluster(
    objects: tuple[Manifest, ...], new: Release, words: str, tmp_path: Path
) -> None:
    outcome = upgrade(values(new), objects, tmp_path)
    assert outcome.ok is not bool(words), outcome.complaint
    assert words in outcome.complaint


def test_lower_budget_keeps_max_connections_for_old_pods(tmp_path: Path) -> None:
    bundled = {**BUNDLED, "database": {"connectionBudget": 40}}
    for objects, connections in (((), 55), (SIX, 5 * 13 + 5 + 15), ((deployment(2), autoscaler(6)), 55)):
        outcome = upgrade(bundled, objects, tmp_path)
        assert outcome.ok, outcome.complaint
        server = dict(pods(outcome.manifests))["StatefulSet/jobfinder-postgresql"]
        assert f"max_connections={connections}" in container(server, "postgresql")["args"]


THERE = {"DATABASE_HOST": "postgresql.example", "DATABASE_PORT": "5432", "DATABASE_NAME": "jobfinder"}
ELSEWHERE = {**THERE, "DATABASE_NAME": "other"}


@pytest.mark.parametrize(
    ("objects", "words"),
    [
        ((config("older"),), "JobFinderConfig older already shares the connections of Deployment jobfinder"),
        ((config("older", target="blue"), deployment(1, name="blue", **THERE)), "to postgresql.example:5432/jobfinder"),
        ((config("older", target="blue"), deployment(1, name="blue", **ELSEWHERE)), ""),
        ((config(),), ""),
    ],
)
def test_second_resource_for_one_deployment_or_database_is_refused(
    objects: tuple[Manifest, ...], words: str, tmp_path: Path
) -> None:
    outcome = upgrade(values(Release(operator=True)), objects, tmp_path)
    assert outcome.ok is not bool(words), outcome.complaint
    assert words in outcome.complaint


def in_secret(name: str) -> Manifest:
    """A Deployment whose PgBouncer reads the database's address from a Secret, as the chart writes it."""
    files = {f"DATABASE_{part}_FILE": f"/run/secrets/jobfinder/database-{part.lower()}" for part in ("HOST", "NAME")}
    found = deployment(1, name="blue", DATABASE_PORT="5432", **files)
    items = [{"key": "host", "path": "database-host"}, {"key": "dbname", "path": "database-name"}]
    volume = {"name": "database-password", "secret": {"secretName": name, "items": items}}
    found["spec"]["template"]["spec"]["volumes"] = [{"name": "other", "emptyDir": {}}, volume]
    return found


@pytest.mark.parametrize(("secret", "refused"), [("orders", True), ("other", False)])
def test_databases_in_secrets_are_compared_by_the_secrets(secret: str, refused: bool, tmp_path: Path) -> None:
    keys = {"host": "host", "dbname": "dbname"}
    given = values(Release(operator=True))
    given = {**given, "database": {**given["database"], "host": "", "existingSecret": "orders", "secretKeys": keys}}
    outcome = upgrade(given, (config("older", target="blue"), in_secret(secret)), tmp_path)
    assert outcome.ok is not refused, outcome.complaint
    assert ("to secret orders/host:5432/secret orders/dbname" in outcome.complaint) is refused


MORE = {"worker": {"enabled": True, "replicas": 2, "connections": 4}}  # 2 x 2 x 4 connections during a rollout


@pytest.mark.parametrize(
    ("resource", "new", "words"),
    [
        (
            config(),
            Release(operator=True),
            "can have 16 connections more than those that run, and the operator keeps 5",
        ),
        (config(), Release(operator=True), '-p \'{"spec":{"database":{"connectionBudget":69}}}\''),
        (config(connectionBudget=69), Release(operator=True), ""),
        (config(connectionBudget=69, converged=False), Release(operator=True), "BudgetConverged is True again"),
        (config(), Release(operator=True, budget=91), ""),
        (config(), Release(operator=True, headroom=16), ""),
    ],
)
def test_task_workers_get_their_connections_before_they_start(
    resource: Manifest, new: Release, words: str, tmp_path: Path
) -> None:
    outcome = upgrade({**values(new), **MORE}, (*OPERATED, resource), tmp_path)
    assert outcome.ok is not bool(words), outcome.complaint
    assert words in outcome.complaint


def test_task_workers_that_run_already_have_their_connections(tmp_path: Path) -> None:
    running = deployment(4, surge=0, name="jobfinder-worker")
    running["spec"]["replicas"] = 2
    outcome = upgrade({**values(Release(operator=True)), **MORE}, (*OPERATED, config(), running), tmp_path)
    assert outcome.ok, outcome.complaint
