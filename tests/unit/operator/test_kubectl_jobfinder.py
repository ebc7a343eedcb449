"""`kubectl jobfinder`, with a kubectl that answers from a file."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PLUGIN = Path(__file__).parents[3] / "operator/jobfinder_operator/kubectl_jobfinder.py"


def resource(**budget: int) -> dict[str, Any]:
    sums = {"budget": 40, "headroom": 5, "floor": 1, "slots": 17, "aboveFloor": 18, "total": 40, "free": 0}
    pod = {"name": "jobfinder-a", "phase": "Running", "cap": 10, "target": 10, "used": 10, "waiting": 4}
    return {
        "kind": "JobFinderConfig",
        "metadata": {"name": "jobfinder", "namespace": "jobs", "generation": 3},
        "spec": {"mode": "Apply", "database": {"connectionBudget": 40, "perPod": {"floor": 1, "max": 32}}},
        "status": {
            "observedGeneration": 3,
            "conditions": [
                {"type": "Ready", "status": "True", "reason": "Fine", "message": "2 pods may have 20."},
                {"type": "Degraded", "status": "False", "reason": "Fine", "message": "All answer."},
            ],
            "budget": {**sums, "unborn": 15, "pods": 2, "granted": 20, "used": 11, "waiting": 4, **budget},
            "pods": [
                {**pod, "tuningGeneration": 7},
                {**pod, "name": "jobfinder-b", "used": 1, "waiting": 0},
            ],
            "memcached": [{"node": "m-0", "up": True, "limitMegabytes": 64, "usedMegabytes": 3, "hitPercent": 97}],
            "recommended": [{"field": "database.connectionBudget", "current": 40, "value": 50, "reason": "4 wait"}],
            "tuning": {"generation": 7, "confirmed": 2, "pods": 2},
        },
    }


def run(folder: Path, answer: object, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """With a kubectl that prints `answer`, or fails with it when it is a text."""
    kubectl = folder / "kubectl"
    fails = isinstance(answer, str)
    (folder / "answer").write_text(answer if isinstance(answer, str) else json.dumps(answer))
    kubectl.write_text(f'#!/bin/sh\necho "$@" > {folder}/asked\ncat {folder}/answer{" >&2; exit 1" if fails else ""}\n')
    kubectl.chmod(kubectl.stat().st_mode | stat.S_IXUSR)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    command = [sys.executable, "-I", str(PLUGIN), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_top_has_a_line_for_each_pod_and_each_server(tmp_path: Path) -> None:
    shown = run(tmp_path, {"kind": "List", "items": [resource()]}, "top", "-n", "jobs")
    assert shown.stderr == ""
    assert shown.stdout.splitlines() == [
        "jobs/jobfinder: budget 40, granted 20, used 11, waiting 4, free 0",
        "POD          PHASE    CAP  USED  WAITING  HIT RATE  GENERATION",
        "jobfinder-a  Running  10   10    4        -         7",
        "jobfinder-b  Running  10   1     0        -         -",
        "",
        "MEMCACHED  UP   USED MB  LIMIT MB  HIT RATE",
        "m-0        yes  3        64        97 %",
    ]
    assert "get jobfinderconfigs.jobfinder.dev --namespace jobs -o json" in (tmp_path / "asked").read_text()


def test_explain_says_that_the_budget_binds(tmp_path: Path) -> None:
    shown = run(tmp_path, resource(), "explain", "--name", "jobfinder").stdout
    assert "all is as the resource says" in shown
    assert (
        "floor 1 x 17 pods that may exist + 18 granted above the floors + headroom 5 = 40 of connectionBudget 40"
        in shown
    )
    assert "database.connectionBudget binds: all 40 are spoken for; 15 of them are kept for 15 pods" in shown
    assert "Recommended: spec.database.connectionBudget 40 -> 50: 4 wait" in shown


def test_explain_counts_connections_of_task_workers(tmp_path: Path) -> None:
    shown = run(tmp_path, resource(reserved=4, total=44), "explain").stdout
    others = "4 of other Deployments, such as task workers and realtime,"
    assert f"+ headroom 5 + {others} = 44 of connectionBudget 40" in shown


def test_explain_says_that_the_largest_pool_of_a_pod_binds(tmp_path: Path) -> None:
    given = resource(free=6)
    given["spec"]["database"]["perPod"]["max"] = 10
    assert "database.perPod.max binds: jobfinder-a have all the 10" in run(tmp_path, given, "explain").stdout


def test_explain_says_when_nothing_binds(tmp_path: Path) -> None:
    given = resource()
    given["status"]["pods"][0]["waiting"] = 0
    assert "No limit binds: no client waits" in run(tmp_path, given, "explain").stdout


def test_explain_of_a_resource_that_no_operator_has_seen(tmp_path: Path) -> None:
    given = resource()
    del given["status"]
    shown = run(tmp_path, given, "explain")
    assert shown.returncode == 0
    assert "the operator has not looked at the latest edit yet" in shown.stdout


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"kind": "List", "items": []}, "there is no JobFinderConfig in this namespace"),
        (
            'error: the server doesn\'t have a resource type "jobfinderconfigs"',
            "install the chart with operator.enabled",
        ),
        ("Error from server (Forbidden): you shall not", "you shall not"),
    ],
)
def test_errors_say_what_to_do(tmp_path: Path, answer: object, words: str) -> None:
    shown = run(tmp_path, answer, "top")
    assert (shown.returncode, shown.stdout) == (1, "")
    assert words in shown.stderr
