"""The page on GitOps says what renders without a cluster, and what else of the chart is written there."""

from tests.e2e.chart.rendering import Manifest, render
from tests.e2e.gitops_page import block


def of_kind(manifests: list[Manifest], kind: str, part: str = "") -> list[Manifest]:
    return [each for each in manifests if each["kind"] == kind and part in each["metadata"]["name"]]


def test_the_values_of_the_page_render_without_a_cluster_and_make_no_secret() -> None:
    manifests = render(block("gitops.yaml"))
    assert of_kind(manifests, "JobFinderConfig")
    assert not of_kind(manifests, "Secret")


def test_nothing_of_a_render_is_random() -> None:
    values = block("gitops.yaml")
    assert render(values) == render({**values, "nameOverride": ""})  # the default, so that Helm runs once more


def test_what_the_page_says_is_written_by_others_is_not_rendered() -> None:
    manifests = render(block("gitops.yaml"))
    (config,) = of_kind(manifests, "JobFinderConfig")
    assert "status" not in config
    (tuning,) = of_kind(manifests, "ConfigMap", "tuning")
    assert not tuning.get("data")
    scaled = of_kind(manifests, "HorizontalPodAutoscaler")
    assert [each["spec"]["scaleTargetRef"]["name"] for each in scaled] == ["jobfinder"]
    (deployment,) = (each for each in of_kind(manifests, "Deployment") if each["metadata"]["name"] == "jobfinder")
    assert "replicas" not in deployment["spec"]


def test_what_is_ignored_is_the_resource_that_the_chart_renders() -> None:
    (ignored,) = block("application.yaml")["ignoreDifferences"]
    (config,) = of_kind(render(block("gitops.yaml")), "JobFinderConfig")
    assert config["apiVersion"].startswith(f"{ignored['group']}/")
    assert ignored["jsonPointers"] == ["/spec"]


def test_the_hook_that_brings_the_definition_runs_before_all_else_and_may_create_it() -> None:
    manifests = render(block("gitops.yaml"))
    (role,) = of_kind(manifests, "ClusterRole", "crd")
    assert "pre-upgrade" in role["metadata"]["annotations"]["helm.sh/hook"]
    verbs = {verb for rule in role["rules"] for verb in rule["verbs"]}
    assert verbs == {"create", "patch"}
