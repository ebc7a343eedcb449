"""Every object is what Kubernetes 1.30 to 1.34 take, and the operator's resource what its definition takes."""

import jsonschema  # type: ignore[import-untyped]
import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from charts.manifests import DEFINITION
from tests.e2e.chart.rendering import EVERYTHING, VARIANTS, named, render

# Of definitions that a cluster may have; the tests on the cluster apply them.
CUSTOM = ("gateway.networking.k8s.io/", "monitoring.coreos.com/", "jobfinder.dev/")


@pytest.mark.parametrize("version", ["1.30", "1.31", "1.32", "1.33", "1.34"])
def test_kubernetes_takes_every_object(version: str) -> None:
    for variant, values in VARIANTS.items():
        for each in render(values):
            if not each["apiVersion"].startswith(CUSTOM):
                try:
                    kubernetes_validate.validate(each, version, strict=True)
                except kubernetes_validate.ValidationError as error:
                    raise AssertionError(f"{variant}: {each['kind']}/{each['metadata']['name']}") from error


def test_the_definition_takes_the_resource() -> None:
    version = yaml.safe_load(DEFINITION.read_text())["spec"]["versions"][0]
    resource = named(render(EVERYTHING), "JobFinderConfig", "jobfinder")
    jsonschema.validate(resource["spec"], _strict(version["schema"]["openAPIV3Schema"]["properties"]["spec"]))


def _strict(schema: dict[str, object]) -> dict[str, object]:
    """The API server drops what it does not know; here that is an error."""
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return schema
    return {
        **schema,
        "additionalProperties": False,
        "properties": {name: _strict(each) for name, each in properties.items()},
    }
