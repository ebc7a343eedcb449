"""Every pod meets restricted Pod Security, mounts only the secrets it needs, and is matched by its own selectors."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.chart.rendering import (
    BUNDLED,
    EVERYTHING,
    EXTERNAL,
    VARIANTS,
    Manifest,
    container,
    containers,
    environment,
    helm_template,
    named,
    pods,
    render,
)

# Labels that may change between two versions of the chart; neither pods nor selectors may have them.
OF_VERSIONS = {"helm.sh/chart", "app.kubernetes.io/version", "app.kubernetes.io/managed-by"}
TALK_TO_THE_API = {"Deployment/jobfinder-operator", "Job/jobfinder-operator-crd"}
VOLUMES = {"configMap", "emptyDir", "secret"}
SECRET = ("PASSWORD", "PEPPER", "TOKEN", "KEY")
every_variant = pytest.mark.parametrize("variant", VARIANTS)


@every_variant
def test_every_pod_is_restricted(variant: str) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"""
    for whose, pod in pods(render(VARIANTS[variant])):
        spec, settings = pod["spec"], pod["spec"]["securityContext"]
        assert settings["runAsNonRoot"] is True, whose
        assert settings["runAsUser"] > 0, whose
        assert settings["seccompProfile"] == {"type": "RuntimeDefault"}, whose
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), whose
        for each in containers(pod):
            assert each["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, (whose, each["name"])
            assert not [port for port in each.get("ports", []) if "hostPort" in port], whose
        for volume in spec.get("volumes", []):
            assert set(volume) - {"name"} <= VOLUMES, (whose, volume)


@every_variant
def test_every_container_has_requests_and_a_limit_of_memory(variant: str) -> None:
    for whose, pod in pods(render(VARIANTS[variant])):
        for each in containers(pod):
            resources = each["resources"]
            assert {"cpu", "memory"} <= set(resources["requests"]), (whose, each["name"])
            assert "memory" in resources["limits"], (whose, each["name"])


@every_variant
def test_only_the_operator_gets_a_service_account_token(variant: str) -> None:
    found = {whose for whose, pod in pods(render(VARIANTS[variant])) if pod["spec"]["automountServiceAccountToken"]}
    assert found == (TALK_TO_THE_API if variant == "everything" else set())


@every_variant
def test_no_secret_is_in_the_environment_or_in_a_config_map(variant: str) -> None:
    manifests = render(VARIANTS[variant])
    for whose, pod in pods(manifests):
        for each in containers(pod):
            plain = environment(each)
            found = {name for name in plain if any(word in name for word in SECRET) and not _is_harmless(name)}
            assert found == set(), (whose, found)
            assert not [name for name, value in plain.items() if re.search("://[^/]*:[^/]*@", value)], whose
            assert not [e for e in each.get("env", []) if "secretKeyRef" in e.get("valueFrom", {})], whose
    assert not [each["metadata"]["name"] for each in manifests if each["kind"] == "Secret"]


def _is_harmless(name: str) -> bool:
    return name.endswith(("_FILE", "_DIR", "_SECONDS"))


def test_app_mounts_the_pepper_and_only_the_pooler_the_password() -> None:
    pod = dict(pods(render(EXTERNAL)))["Deployment/jobfinder"]
    seen = {each["name"]: set(_keys(pod, each)) for each in containers(pod)}
    assert seen == {"pgbouncer-config": {"database-password"}, "pgbouncer": set(), "app": {"pepper", "every key"}}


def test_pgbouncer_mounts_its_certificate_but_no_operator_password() -> None:
    found = dict(pods(render({**EXTERNAL, "operator": EVERYTHING["operator"]})))
    pod = found["Deployment/jobfinder"]
    seen = {each["name"]: set(_keys(pod, each)) for each in containers(pod)}
    assert seen["pgbouncer"] == {"tls.crt", "tls.key"}
    assert "pgbouncer-password" in seen["pgbouncer-config"]
    assert seen["app"] == {"pepper", "every key"}
    (operator,) = containers(found["Deployment/jobfinder-operator"])
    assert set(_keys(found["Deployment/jobfinder-operator"], operator)) == {"pgbouncer-password", "ca.crt"}
    told = environment(operator)
    assert (told["PGBOUNCER_CA_FILE"], told["PGBOUNCER_SERVER_NAME"]) == (
        "/run/secrets/pgbouncer-ca/ca.crt",
        "jobfinder-pgbouncer",
    )


def test_without_the_operator_no_console_tls_is_rendered() -> None:
    output = helm_template(EXTERNAL).output
    assert not [word for word in ("pgbouncer-tls", "PGBOUNCER_TLS", "pgbouncer-ca") if word in output]


@pytest.mark.parametrize("operator", [True, False])
def test_exporter_does_not_mount_the_socket_of_pgbouncer(operator: bool) -> None:
    values = EVERYTHING if operator else {**EXTERNAL, "pgbouncer": {"exporter": {"enabled": True}}}
    pod = dict(pods(render(values)))["Deployment/jobfinder"]
    exporter = container(pod, "pgbouncer-exporter")
    assert [each["mountPath"] for each in exporter["volumeMounts"]] == ["/run/pgbouncer-exporter"]
    assert (
        "jobfinder_exporter@127.0.0.1:6432/pgbouncer" in environment(exporter)["PGBOUNCER_EXPORTER_CONNECTION_STRING"]
    )


def _keys(pod: Manifest, container: Manifest) -> Iterator[str]:
    volumes = {each["name"]: each for each in pod["spec"]["volumes"]}
    for mount in container["volumeMounts"]:
        if secret := volumes[mount["name"]].get("secret"):
            yield from (item["key"] for item in secret.get("items", [{"key": "every key"}]))


@every_variant
def test_each_selector_matches_one_component_and_no_version_label(variant: str) -> None:
    manifests = render(VARIANTS[variant])
    labels = {whose: pod["metadata"]["labels"] for whose, pod in pods(manifests)}
    for whose, found in labels.items():
        if not whose.startswith("Pod/"):
            assert not OF_VERSIONS & set(found), whose
    for what, selector in _selectors(manifests):
        matching = [whose for whose, found in labels.items() if selector.items() <= found.items()]
        assert len({whose.split("/")[1] for whose in matching}) == 1, (what, selector, matching)
        assert not OF_VERSIONS & set(selector), what


def _selectors(manifests: list[Manifest]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield (object, labels) of every selector of pods; objects of monitoring are left out, as they select Services."""
    for each in manifests:
        what, spec = f"{each['kind']}/{each['metadata']['name']}", each.get("spec", {})
        if each["kind"] == "Service":
            yield what, spec["selector"]
        elif each["kind"] in ("Deployment", "StatefulSet", "PodDisruptionBudget"):
            yield what, spec["selector"]["matchLabels"]
        if each["kind"] == "NetworkPolicy":
            yield what, spec["podSelector"]["matchLabels"]
        for spread in spec.get("template", {}).get("spec", {}).get("topologySpreadConstraints", []):
            yield what, spread["labelSelector"]["matchLabels"]


@every_variant
def test_named_ports_of_services_exist(variant: str) -> None:
    manifests = render(VARIANTS[variant])
    open_ports = {_component(pod["metadata"]["labels"]): set(_ports(pod)) for _, pod in pods(manifests)}
    for each in manifests:
        if each["kind"] == "Service":
            ports = {port["targetPort"] for port in each["spec"]["ports"]}
            assert ports <= open_ports[_component(each["spec"]["selector"])], each["metadata"]["name"]


@every_variant
def test_network_policies_allow_exactly_the_open_ports(variant: str) -> None:
    """By number: a network plugin that does not know the port names of sidecars opens all ports, or none."""
    manifests = render(VARIANTS[variant])
    policies = {
        _component(each["spec"]["podSelector"]["matchLabels"]): {
            port["port"] for rule in each["spec"].get("ingress", []) for port in rule["ports"]
        }
        for each in manifests
        if each["kind"] == "NetworkPolicy"
    }
    for _, pod in pods(manifests):
        component = _component(pod["metadata"]["labels"])
        if component in policies:
            ports = {number for name, number in _ports(pod).items() if name != "health"}
            closed = {6432} if "operator" not in policies else set()  # only the operator uses the console
            assert ports - closed == policies[component], component


def _ports(pod: Manifest) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for each in containers(pod) for port in each.get("ports", [])}


def test_each_port_is_open_only_to_its_clients() -> None:
    manifests = render({**EVERYTHING, "postgresql": {"enabled": True}, "database": BUNDLED.get("database", {})})
    assert _who(manifests, "jobfinder", 6432) == {"operator"}
    assert _who(manifests, "jobfinder-memcached", 11211) == {"app", "operator", "migrate", "worker", "realtime"}
    assert _who(manifests, "jobfinder-postgresql", 5432) == {"app", "migrate", "worker", "realtime"}
    assert _who(manifests, "jobfinder-worker", 6432) == {"operator"}
    assert _who(manifests, "jobfinder-worker", 8002) == {"monitoring", "operator"}
    assert _who(manifests, "jobfinder-realtime", 6432) == {"operator"}
    assert _who(manifests, "jobfinder-realtime", 8003) == {"ingress", "monitoring", "operator"}
    assert _who(manifests, "jobfinder", 8000) == {"ingress", "monitoring", "operator", "test"}
    for name, port in (("", 9127), ("-realtime", 9127), ("-memcached", 9150), ("-operator", 9090)):
        assert _who(manifests, f"jobfinder{name}", port) == {"monitoring"}


def test_whoever_a_component_lets_in_may_go_out_to_it() -> None:
    manifests = render({**EVERYTHING, "postgresql": {"enabled": True}, "database": BUNDLED.get("database", {})})
    policies = {_component(each["spec"]["podSelector"]["matchLabels"]): each["spec"] for each in _policies(manifests)}
    for component, spec in policies.items():
        for port, client in _admitted(spec):
            assert (port, component) in _allowed_out(policies[client]), f"{client} to {component}:{port}"


def _policies(manifests: list[Manifest]) -> list[Manifest]:
    return [each for each in manifests if each["kind"] == "NetworkPolicy"]


def _admitted(spec: Any) -> set[tuple[int, str]]:
    """Ports, each with a component of the release that may reach it."""
    return {
        (port["port"], _component(peer["podSelector"]["matchLabels"]))
        for rule in spec["ingress"]
        for port in rule["ports"]
        for peer in rule.get("from", ())
        if "podSelector" in peer
    }


def _allowed_out(spec: Any) -> set[tuple[int, str]]:
    """Ports, each with a component of the release that may be reached there."""
    return {
        (port["port"], _component(peer["podSelector"]["matchLabels"]))
        for rule in spec["egress"]
        for port in rule["ports"]
        for peer in rule.get("to", ())
        if "podSelector" in peer
    }


def _who(manifests: list[Manifest], name: str, port: int) -> set[str]:
    policy = named(manifests, "NetworkPolicy", name)
    rules = [rule for rule in policy["spec"]["ingress"] if {"port": port} in rule["ports"]]
    return {_peer(peer) for rule in rules for peer in rule["from"]}


def _peer(peer: Any) -> str:
    if "podSelector" in peer:
        return _component(peer["podSelector"]["matchLabels"])
    return str(peer["namespaceSelector"]["matchLabels"]["a"])


def _component(labels: dict[str, str]) -> str:
    return labels["app.kubernetes.io/component"]


def test_probes_use_the_live_and_ready_endpoints() -> None:
    pod = dict(pods(render(EXTERNAL)))["Deployment/jobfinder"]
    app = container(pod, "app")
    assert app["livenessProbe"]["httpGet"]["path"] == app["startupProbe"]["httpGet"]["path"] == "/api/v1/health/live"
    assert app["readinessProbe"]["httpGet"]["path"] == "/api/v1/health/ready"


def test_grace_period_covers_pre_stop_and_draining() -> None:
    pod = dict(pods(render(EXTERNAL)))["Deployment/jobfinder"]
    app = container(pod, "app")
    pause = app["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pause > 0
    assert pod["spec"]["terminationGracePeriodSeconds"] > pause + int(environment(app)["GRACEFUL_TIMEOUT"])


def test_rollout_never_takes_a_ready_pod_away() -> None:
    deployment = named(render(EXTERNAL), "Deployment", "jobfinder")["spec"]
    assert deployment["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
