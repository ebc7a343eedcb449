"""The Ingress and the HTTPRoute expose the routes that clients need and no internal ones."""

import re
from typing import Any

import pytest

from app.routes import ROUTES
from tests.e2e.chart.rendering import EVERYTHING, named, render

# Only Prometheus, the kubelet and administrators request these, from within the cluster. The root of the host often
# belongs to a front end.
CLOSED = {"/metrics", "/"} | {
    re.sub(r"\{[^}]*\}", "1", path) for path, _ in ROUTES if path.startswith(("/api/v1/health", "/api/v1/admin"))
}


def _ingress() -> list[tuple[str, str]]:
    rule = named(render(EVERYTHING), "Ingress", "jobfinder")["spec"]["rules"][0]
    return [(each["pathType"], each["path"]) for each in rule["http"]["paths"]]


def _gateway() -> list[tuple[str, str]]:
    kinds = {"PathPrefix": "Prefix", "Exact": "Exact"}
    matches = [each for rule in _service_rules() for each in rule["matches"]]
    return [(kinds[each["path"]["type"]], each["path"]["value"]) for each in matches]


def _service_rules() -> list[dict[str, Any]]:
    """The rules of the HTTPRoute that lead to the service, not to the realtime gateway."""
    rules = named(render(EVERYTHING), "HTTPRoute", "jobfinder")["spec"]["rules"]
    return [rule for rule in rules if rule["backendRefs"][0]["name"] == "jobfinder"]


def _routed(path: str, rules: list[tuple[str, str]]) -> bool:
    """Match as the Ingress and HTTPRoute specifications do: a prefix consists of whole path elements."""
    return any(path == rule or (kind == "Prefix" and path.startswith(rule.rstrip("/") + "/")) for kind, rule in rules)


@pytest.mark.parametrize("rules", [_ingress, _gateway])
def test_only_client_routes_are_exposed(rules: Any) -> None:
    chosen = rules()
    paths = {re.sub(r"\{[^}]*\}", "1", path) for path, _ in ROUTES}
    assert {path for path in paths if not _routed(path, chosen)} == CLOSED


def test_ingress_and_route_lead_to_the_service() -> None:
    manifests = render(EVERYTHING)
    service = named(manifests, "Service", "jobfinder")["spec"]["ports"][0]
    path = named(manifests, "Ingress", "jobfinder")["spec"]["rules"][0]["http"]["paths"][0]
    assert path["backend"]["service"] == {"name": "jobfinder", "port": {"name": service["name"]}}
    assert {rule["backendRefs"][0]["port"] for rule in _service_rules()} == {service["port"]}


def test_rules_of_the_route_have_no_more_matches_than_early_gateway_apis_allow() -> None:
    assert {len(rule["matches"]) <= 8 for rule in _service_rules()} == {True}
