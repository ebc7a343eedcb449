"""docs/gitops.md agrees with the chart on what renders without a cluster and what controllers write."""

from tests.e2e.chart.rendering import Manifest, render
from tests.e2e.gitops_page import block


def of_kind(manifests: list[Manifest], kind: str, part: str = "") -> list[Manifest]:
    return [each for each in manifests if each["kind"] == kind and part in each["metadata"]["name"]]


def test_page_values_render_without_a_cluster_and_make_no_secret() -> None:
    manifests = render(block("gitops.yaml"))
    assert of_kind(manifests, "JobFinderConfig")
    assert not of_kind(manifests, "Secret")


def test_rendering_is_deterministic() -> None:
    values = block("gitops.yaml")
    assert render(values) == render({**values, "nameOverride": ""})  # the default, so that Helm runs once more


def test_fields_written_by_controllers_are_not_rendered() -> None:
    manifests = render(block("gitops.yaml"))
    (config,) = of_kind(manifests, "JobFinderConfig")
    assert "status" not in config
    (tuning,) = of_kind(manifests, "ConfigMap", "tuning")
    assert not tuning.get("data")
    scaled = of_kind(manifests, "HorizontalPodAutoscaler")
    assert [each["spec"]["scaleTargetRef"]["name"] for each in scaled] == ["jobfinder"]
    (deployment,) = (each for each in of_kind(manifests, "Deployment") if each["metadata"]["name"] == "jobfinder")
    assert "replicas" not in deployment["spec"]


def test_ignored_difference_names_the_rendered_resource() -> None:
    (ignored,) = block("application.yaml")["ignoreDifferences"]
    (config,) = of_kind(render(block("gitops.yaml")), "JobFinderConfig")
    assert config["apiVersion"].startswith(f"{ignored['group']}/")
    assert ignored["jsonPointers"] == ["/spec"]


def test_crd_hook_runs_before_an_upgrade_and_may_create_the_crd() -> None:
    manifests = render(block("gitops.yaml"))
    (role,) = of_kind(manifests, "ClusterRole", "crd")
    assert "pre-upgrade" in role["metadata"]["annotations"]["helm.sh/hook"]
    verbs = {verb for rule in role["rules"] for verb in rule["verbs"]}
    assert verbs == {"create", "patch"}
