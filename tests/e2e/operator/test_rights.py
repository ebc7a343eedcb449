"""The operator's account may change one annotation of a pod and nothing else."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.cluster.config import ClusterError
from tests.e2e.platform.release import NAME, Release

SEEN = "jobfinder.dev/tuning-generation"
REFUSED: dict[str, Any] = {
    "an image": {"spec": {"containers": [{"name": "app", "image": "elsewhere.example/jobfinder:1"}]}},
    "an image of a sidecar": {"spec": {"initContainers": [{"name": "pgbouncer", "image": "elsewhere.example/x:1"}]}},
    "a deadline": {"spec": {"activeDeadlineSeconds": 1}},
    "a label": {"metadata": {"labels": {"app.kubernetes.io/component": "other"}}},
    "a new label": {"metadata": {"labels": {"new": "label"}}},
    "removed labels": {"metadata": {"labels": None}},
    "another annotation": {"metadata": {"annotations": {"jobfinder.dev/other": "1"}}},
    "two annotations": {"metadata": {"annotations": {SEEN: "1", "other": "1"}}},
    "a finalizer": {"metadata": {"finalizers": ["jobfinder.dev/never"]}},
    "a removed owner": {"metadata": {"ownerReferences": None}},
}


@pytest.fixture(scope="module", autouse=True)
def may_get_pods(release: Release) -> Iterator[None]:
    """Let the operator's account read pods, because kubectl reads an object before it patches it."""
    name, account = "pods-for-kubectl", f"--serviceaccount={release.namespace}:{NAME}-operator"
    release.kubectl("create", "role", name, "--verb=get", "--resource=pods")
    release.kubectl("create", "rolebinding", name, f"--role={name}", account)
    yield
    release.kubectl("delete", f"role/{name}", f"rolebinding/{name}")


def patch_as_operator(release: Release, patch: Any) -> str:
    """Patch a pod as the operator's account in a dry run on the server."""
    account = f"--as=system:serviceaccount:{release.namespace}:{NAME}-operator"
    what = ("patch", "pod", release.pods()[0].name, "-p", json.dumps(patch), "--dry-run=server")
    return release.kubectl(*what, account, "-o", "json")


def test_the_operator_sets_its_one_annotation(release: Release) -> None:
    changed = json.loads(patch_as_operator(release, {"metadata": {"annotations": {SEEN: "7"}}}))
    assert changed["metadata"]["annotations"][SEEN] == "7"


@pytest.mark.parametrize("what", REFUSED)
def test_the_operator_is_refused_every_other_change(release: Release, what: str) -> None:
    with pytest.raises(ClusterError, match="the operator may change no"):
        patch_as_operator(release, REFUSED[what])


def test_others_are_not_restricted(release: Release) -> None:
    pod = release.pods()[0].name
    release.kubectl("annotate", "pod", pod, "jobfinder.dev/other=1", "--dry-run=server")
