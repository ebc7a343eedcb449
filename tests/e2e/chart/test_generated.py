"""Files generated from the chart are up to date: the table of values, the plain manifests, the copied CRD."""

import shutil
from pathlib import Path

import pytest
import yaml

from charts import manifests, table
from tests.e2e.chart.rendering import CHART, container, environment, helm, pods, render
from tests.e2e.cluster.builds import programs
from tests.e2e.cluster.config import folders
from tests.e2e.cluster.shell import run

CLUSTER_SCOPED = {"CustomResourceDefinition", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}


def test_the_table_of_values_is_up_to_date() -> None:
    readme = table.README.read_text()
    assert table.generated(readme, (CHART / "values.yaml").read_text()) == readme, "run `make docs`"


def test_every_value_is_explained() -> None:
    text = (CHART / "values.yaml").read_text()
    explained = {name for name, _, _ in table.documented(text)}

    def unexplained(values: object, path: str) -> list[str]:
        if path in explained:
            return []
        if isinstance(values, dict) and values:
            return [name for key, value in values.items() for name in unexplained(value, f"{path}.{key}".strip("."))]
        return [path]

    assert unexplained(yaml.safe_load(text), "") == []


def test_the_plain_manifests_are_up_to_date() -> None:
    assert manifests.made() == manifests.rendered(helm()), "run `make k8s`"


def test_the_plain_manifests_do_not_mention_helm() -> None:
    for path, text in manifests.made().items():
        if path.name != "cluster.yaml":
            assert "helm.sh" not in text, path
            assert "Helm" not in text, path


def test_the_copy_of_the_crd_is_up_to_date() -> None:
    assert manifests.COPY_OF_DEFINITION.read_text() == manifests.definition(), "run `make k8s`"


@pytest.mark.parametrize("folder", ["", "with-operator"])
def test_the_kustomizations_work_in_any_namespace(folder: str, tmp_path: Path) -> None:
    shutil.copytree(manifests.FOLDER, tmp_path / "k8s")
    overlay = tmp_path / "overlay" / "kustomization.yaml"
    overlay.parent.mkdir()
    overlay.write_text(f"namespace: other\nresources: [../k8s/{folder}]\n")
    programs.build_all(folders(), ("kube",))
    made = run(folders().programs / "kubectl", "kustomize", overlay.parent)
    objects = [each for each in yaml.safe_load_all(made) if each]
    assert {each["metadata"]["namespace"] for each in objects} == {"other"}
    assert {who["namespace"] for each in objects for who in each.get("subjects", [])} <= {"other"}
    assert ("Deployment", "jobfinder") in {(each["kind"], each["metadata"]["name"]) for each in objects}
    assert CLUSTER_SCOPED.isdisjoint(each["kind"] for each in objects), (
        "deleting one overlay would delete objects that all overlays share"
    )


def test_cluster_scoped_objects_have_their_own_file() -> None:
    objects = list(yaml.safe_load_all((manifests.FOLDER / "with-operator" / "cluster.yaml").read_text()))
    assert {each["kind"] for each in objects} == CLUSTER_SCOPED
    assert not [each["metadata"] for each in objects if "namespace" in each["metadata"]]


def test_the_readme_of_the_plain_manifests_names_every_secret() -> None:
    readme = (manifests.FOLDER / "README.md").read_text()
    wanted = {
        volume["secret"]["secretName"]
        for path, text in manifests.made().items()
        if path.name != "cluster.yaml"
        for each in yaml.safe_load_all(text)
        for volume in each.get("spec", {}).get("template", {}).get("spec", {}).get("volumes", [])
        if "secret" in volume
    }
    assert wanted
    assert {name for name in wanted if f"| `{name}`" not in readme} == set()


def test_the_production_values_of_the_readme_render() -> None:
    example = table.README.read_text().partition("```yaml\n# production.yaml\n")[2].partition("```")[0]
    made = dict(pods(render(yaml.safe_load(example))))
    for whose, name in (("Deployment/jobfinder", "pgbouncer-config"), ("Job/jobfinder-migrate", "migrate")):
        assert environment(container(made[whose], name))["DATABASE_TLS_MODE"] == "verify-full"


def test_the_readme_overlay_sets_database_host_and_image(tmp_path: Path) -> None:
    readme = (manifests.FOLDER / "README.md").read_text()
    shutil.copytree(manifests.FOLDER, tmp_path / "k8s")
    example = tmp_path / "production" / "kustomization.yaml"
    example.parent.mkdir()
    example.write_text(readme.partition("```yaml\n")[2].partition("```")[0])
    programs.build_all(folders(), ("kube",))
    made = run(folders().programs / "kubectl", "kustomize", example.parent)
    assert made.count("value: postgresql.prod.example") == 2
    assert "postgresql.example" not in made
    assert "images.example/jobfinder:0.1.0" in made
