"""Installs the values of docs/gitops.md, with the operator, from scratch and in Argo CD's order."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.api_client import Api
from tests.e2e.cluster.access import Cluster
from tests.e2e.cluster.config import KUBERNETES, kubeconfig_of_the_user
from tests.e2e.gitops_page import block
from tests.e2e.operator.resource import Config
from tests.e2e.platform.argo_cd import Application
from tests.e2e.platform.by_hand import Database, every_secret, in_one
from tests.e2e.platform.release import CHART, NAME, RESTRICTED, Release
from tests.e2e.waiting import wait_until

DEFINITION = "crd/jobfinderconfigs.jobfinder.dev"
SMALL = {
    "workers": 1,
    "service": {"type": "NodePort"},
    "memcached": {"replicas": 1},
    "hpa": {"minReplicas": 1, "maxReplicas": 2},
}


@dataclass(frozen=True)
class Repository:
    """The values in Git, and the Argo CD application that syncs them to `release`."""

    release: Release
    application: Application
    values: dict[str, Any]

    def sync(self) -> None:
        """Render without access to the cluster, as Argo CD does, and apply."""
        cluster, namespace = self.release.cluster, self.release.namespace
        values = ("--values", str(cluster.values), "--values", "-")
        what = ("--namespace", namespace, "--include-crds", "--kube-version", KUBERNETES, *values)
        rendered = cluster.helm("template", NAME, str(CHART), *what, given=json.dumps(self.values))
        self.application.sync(each for each in yaml.safe_load_all(rendered) if each)


@pytest.fixture(scope="module")
def repository(cluster: Cluster, database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    """A repository for a new namespace, in a cluster without the CRD."""
    page = block("gitops.yaml")
    named, operator = page["secrets"], page["operator"]
    values = {**page, **SMALL, "database": {**page["database"], "host": database.host, "name": "gitops"}}
    release = Release(cluster, "gitops", Path())
    ignored = [each["kind"] for each in block("application.yaml")["ignoreDifferences"]]
    delete_the_definition(cluster)
    database.query("CREATE DATABASE gitops OWNER jobfinder")
    given = every_secret(
        tmp_path_factory.mktemp("certificate"),
        named["existingSecret"],
        named["existingKeysSecret"],
        operator["existingSecret"],
        operator["tls"]["existingSecret"],
    )
    with cluster.namespace(release.namespace, RESTRICTED):
        cluster.apply(in_one(given), release.namespace)
        try:
            yield Repository(release, Application(cluster, release.namespace, ignored), values)
        finally:
            release.delete_policy()


def delete_the_definition(cluster: Cluster) -> None:
    """Delete the CRD once its last object is gone: those of earlier tests may still be terminating."""
    if kubeconfig_of_the_user() is not None:
        pytest.skip("the CRD of another cluster must not be deleted")
    if cluster.kubectl("get", DEFINITION, "--ignore-not-found"):
        left = ("get", "jobfinderconfigs", "--all-namespaces", "--output=name")
        wait_until(lambda: cluster.kubectl(*left), lambda found: not found, "no JobFinderConfig")
        cluster.kubectl("delete", DEFINITION)


def test_first_sync_makes_the_service_ready(repository: Repository) -> None:
    repository.sync()
    release = repository.release
    Config(release).wait_for("Ready", "BudgetConverged", "TuningApplied", timeout_s=60)
    assert release.health() == "ok"
    Api(release.address().url, lambda *_: []).person()
    assert not release.get("jobs")["items"], "a hook was not deleted"


def test_edit_takes_effect_and_survives_the_next_sync(repository: Repository) -> None:
    release, config = repository.release, Config(repository.release)
    config.edit("spec.limits.requestsPerUser", 555_555)
    config.wait_for("TuningApplied")
    tuning, everybody = config.tuning(), release.get("pods")["items"]
    assert tuning["limits"]["requests_per_user"] == 555_555
    repository.sync()
    seen = config.wait_for("Ready", "BudgetConverged", "TuningApplied")
    assert seen.object["spec"]["limits"]["requestsPerUser"] == 555_555
    assert config.tuning() == tuning
    assert uids(release.get("pods")["items"]) == uids(everybody)


def uids(objects: list[dict[str, Any]]) -> set[str]:
    return {each["metadata"]["uid"] for each in objects}
