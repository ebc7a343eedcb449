"""Every object is valid in Kubernetes 1.30 to 1.34, and the operator's resource is valid by its CRD."""

import jsonschema  # type: ignore[import-untyped]
import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from charts.manifests import DEFINITION
from tests.e2e.chart.rendering import EVERYTHING, VARIANTS, named, render

# API groups of CRDs, for which there is no schema here; test_api_server.py applies their objects.
CUSTOM = ("gateway.networking.k8s.io/", "monitoring.coreos.com/", "jobfinder.dev/")


@pytest.mark.parametrize("version", ["1.30", "1.31", "1.32", "1.33", "1.34"])
def test_every_object_is_valid_in_kubernetes(version: str) -> None:
    for variant, values in VARIANTS.items():
        for each in render(values):
            if not each["apiVersion"].startswith(CUSTOM):
                try:
                    kubernetes_validate.validate(each, version, strict=True)
                except kubernetes_validate.ValidationError as error:
                    raise AssertionError(f"{variant}: {each['kind']}/{each['metadata']['name']}") from error


def test_the_resource_is_valid_by_its_crd() -> None:
    version = yaml.safe_load(DEFINITION.read_text())["spec"]["versions"][0]
    resource = named(render(EVERYTHING), "JobFinderConfig", "jobfinder")
    jsonschema.validate(resource["spec"], _strict(version["schema"]["openAPIV3Schema"]["properties"]["spec"]))


def _strict(schema: dict[str, object]) -> dict[str, object]:
    """Make unknown fields an error; the API server would drop them."""
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return schema
    return {
        **schema,
        "additionalProperties": False,
        "properties": {name: _strict(each) for name, each in properties.items()},
    }
