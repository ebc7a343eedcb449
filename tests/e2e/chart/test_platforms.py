"""Values that a platform may override: users and groups of pods, and the ports of network policies."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.chart.rendering import BUNDLED, EVERYTHING, Manifest, Values, containers, pods, refusal, render

POD = {
    "runAsNonRoot": False,
    "runAsUser": 1000650000,
    "runAsGroup": 1000650001,
    "fsGroup": 1000650002,
    "fsGroupChangePolicy": "Always",
    "seccompProfile": {"type": "Unconfined"},
}
CONTAINER = {
    "allowPrivilegeEscalation": True,
    "readOnlyRootFilesystem": False,
    "capabilities": {"drop": ["NET_RAW"]},
}
IDS = ("runAsUser", "runAsGroup", "fsGroup")
OPENSHIFT: Values = {
    "podSecurityContext": dict.fromkeys(IDS),
    "networkPolicy": {"dnsPorts": [5353], "databasePorts": [6543, 6544], "apiServerPorts": [7443]},
}
TRY: Values = {**BUNDLED, "operator": EVERYTHING["operator"]}
both = pytest.mark.parametrize("values", [EVERYTHING, TRY], ids=["everything", "bundled"])


def _with(values: Values, changed: Values) -> list[Manifest]:
    """Render with `changed` laid over `values`: `networkPolicy` is merged, other values are replaced."""
    network = {**values.get("networkPolicy", {}), **changed.get("networkPolicy", {})}
    return render({**values, **changed, "networkPolicy": network})


@both
@pytest.mark.parametrize("field", POD)
def test_each_field_of_every_pod_can_be_left_out(values: Values, field: str) -> None:
    for whose, pod in pods(_with(values, {"podSecurityContext": {field: None}})):
        assert set(pod["spec"]["securityContext"]) == set(POD) - {field}, whose


@both
@pytest.mark.parametrize("field", CONTAINER)
def test_each_field_of_every_container_can_be_left_out(values: Values, field: str) -> None:
    for whose, pod in pods(_with(values, {"containerSecurityContext": {field: None}})):
        for each in containers(pod):
            assert set(each["securityContext"]) == set(CONTAINER) - {field}, (whose, each["name"])


@both
def test_every_field_can_be_changed(values: Values) -> None:
    own: dict[str, Any] = {"podSecurityContext": POD, "containerSecurityContext": CONTAINER}
    of_components = {name: {**values.get(name, {}), **own} for name in ("memcached", "postgresql", "operator")}
    for whose, pod in pods(_with(values, {**own, **of_components})):
        assert pod["spec"]["securityContext"] == POD, whose
        for each in containers(pod):
            assert each["securityContext"] == CONTAINER, (whose, each["name"])


def test_a_component_overrides_single_fields() -> None:
    own = {"runAsUser": 7, "seccompProfile": {"type": "Unconfined"}, "supplementalGroups": [8]}
    found = dict(pods(render({**EVERYTHING, "memcached": {"podSecurityContext": own}})))
    assert found["StatefulSet/jobfinder-memcached"]["spec"]["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 7,
        "runAsGroup": 11211,
        "fsGroup": 11211,
        "seccompProfile": {"type": "Unconfined"},
        "fsGroupChangePolicy": "OnRootMismatch",
        "supplementalGroups": [8],
    }
    assert found["Deployment/jobfinder"]["spec"]["securityContext"]["runAsUser"] == 10001


@both
def test_all_security_contexts_can_be_left_out(values: Values) -> None:
    for whose, pod in pods(_with(values, {"podSecurityContext": None, "containerSecurityContext": None})):
        assert pod["spec"]["securityContext"] == {}, whose
        assert [each["securityContext"] for each in containers(pod)] == [{}] * len(list(containers(pod))), whose


@both
def test_without_a_group_any_user_of_the_pod_can_read_its_secrets(values: Values) -> None:
    assert {mode for _, mode in _modes(_with(values, {}))} == {0o440}
    assert {mode for _, mode in _modes(_with(values, OPENSHIFT))} == {0o444}


def _modes(manifests: list[Manifest]) -> Iterator[tuple[str, int]]:
    for whose, pod in pods(manifests):
        for volume in pod["spec"].get("volumes", []):
            if "secret" in volume:
                yield whose, volume["secret"]["defaultMode"]


@pytest.mark.parametrize(
    "values",
    [
        {"podSecurityContext": {"runAsUsr": 1}},
        {"containerSecurityContext": {"fsGroup": 1}},
        {"memcached": {"podSecurityContext": {"x": 1}}},
    ],
)
def test_a_field_that_does_not_exist_is_refused(values: Values) -> None:
    assert "invalid propertyName" in refusal({**EVERYTHING, **values})


def test_network_policies_use_the_ports_of_the_platform() -> None:
    assert _egress_ports(_with(EVERYTHING, {})) >= {53, 5432, 443, 6443}
    ports = _egress_ports(_with(EVERYTHING, OPENSHIFT))
    assert ports >= {5353, 6543, 6544, 7443}
    assert not ports & {53, 5432, 6443}


def test_database_ports_do_not_apply_to_the_bundled_database() -> None:
    assert 6543 not in _egress_ports(_with(TRY, OPENSHIFT))


def _egress_ports(manifests: list[Manifest]) -> set[int]:
    policies = [each for each in manifests if each["kind"] == "NetworkPolicy"]
    asks = [each for each in policies if each["spec"]["egress"]]
    for each in asks:
        protocols = {port.get("protocol") for rule in each["spec"]["egress"] for port in rule["ports"]}
        assert protocols >= {"UDP", "TCP"}, f"{each['metadata']['name']} does not allow DNS"
    return {port["port"] for each in asks for rule in each["spec"]["egress"] for port in rule["ports"]}
