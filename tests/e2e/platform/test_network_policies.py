"""Which ports a pod can reach, tested from inside the pods. The cluster's network must enforce NetworkPolicies."""

import ast
import json
import re
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api_client import Api
from tests.e2e.cluster.access import Cluster
from tests.e2e.operator.resource import Config
from tests.e2e.platform import mail_server
from tests.e2e.platform.release import NAME, RESTRICTED, Release, installed
from tests.e2e.waiting import wait_until

APP, CONSOLE, EXPORTER, MEMCACHED, POSTGRESQL, OPERATOR_METRICS = 8000, 6432, 9127, 11211, 5432, 9090
TASKS, REALTIME, SMTP = 8002, 8003, mail_server.PORT
PORTS = {
    "app": (APP, CONSOLE, EXPORTER),
    "memcached": (MEMCACHED,),
    "postgresql": (POSTGRESQL,),
    "operator": (OPERATOR_METRICS,),
    "worker": (TASKS, CONSOLE, EXPORTER),
    "realtime": (REALTIME, CONSOLE, EXPORTER),
    "mail-server": (SMTP,),
}
VALUES = {
    **mail_server.VALUES,
    "operator": {"enabled": True},
    "realtime": {
        "enabled": True,
        "hpa": {"minReplicas": 1, "maxReplicas": 1},
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
    },
    "pgbouncer": {"exporter": {"enabled": True}},
    "networkPolicy": {
        "ingressFrom": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"role": "ingress"}}}],
        "monitoringFrom": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"role": "monitoring"}}}],
        "mailPorts": [SMTP],
        "mailEgress": [{"podSelector": {"matchLabels": mail_server.LABELS}}],
    },
}
BY_OUTSIDERS = {
    "stranger": set(),
    "ingress": {APP, REALTIME},
    "monitoring": {APP, EXPORTER, OPERATOR_METRICS, REALTIME, TASKS},
}
BY_COMPONENTS = {
    "app": {MEMCACHED, POSTGRESQL},
    "worker": {MEMCACHED, POSTGRESQL, SMTP},
    "realtime": {MEMCACHED, POSTGRESQL},
    "operator": {APP, CONSOLE, MEMCACHED, REALTIME, TASKS},
}
OUTSIDE = """
apiVersion: v1
kind: Pod
metadata: {name: ROLE, labels: {role: ROLE}}
spec:
  terminationGracePeriodSeconds: 0
  automountServiceAccountToken: false
  securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: shell
    image: localhost/jobfinder:e2e
    imagePullPolicy: Never
    command: [sleep, infinity]
    resources: {requests: {cpu: 1m, memory: 16Mi}}
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
"""
LOOK = """
import socket
def opens(address):
    try:
        socket.create_connection(address, 2).close()
    except OSError:
        return False
    return True
print({port for address, port in ADDRESSES if opens((address, port))})
"""


@pytest.fixture(scope="module")
def release(cluster: Cluster) -> Iterator[Release]:
    with installed(cluster, "policies", VALUES, before=mail_server.manifests()) as found:
        yield found


@pytest.fixture(scope="module")
def outside(cluster: Cluster) -> Iterator[str]:
    """A namespace with a pod of each role."""
    namespace = f"outside-{secrets.token_hex(2)}"
    with cluster.namespace(namespace, RESTRICTED):
        for role in BY_OUTSIDERS:
            cluster.apply(OUTSIDE.replace("ROLE", role), namespace)
        cluster.wait("condition=Ready", "pod", "--all", namespace=namespace)
        yield namespace


@pytest.mark.parametrize("role", BY_OUTSIDERS)
def test_outside_pod_reaches_only_its_allowed_ports(release: Release, outside: str, role: str) -> None:
    command = ("exec", role, "--", "python3", "-c", _look(_addresses(release)))
    wait_until(
        lambda: ast.literal_eval(release.cluster.kubectl("-n", outside, *command)),
        lambda reached: reached == BY_OUTSIDERS[role],  # a network may take some moments to know a new pod
        f"{BY_OUTSIDERS[role]} reached",
        timeout_s=30,
    )


@pytest.mark.parametrize("component", BY_COMPONENTS)
def test_component_reaches_only_its_allowed_ports(release: Release, component: str) -> None:
    pod = release.pods(component)[0].name
    command = ("exec", pod, "-c", component, "--", "python3", "-c", _look(_addresses(release, but=pod)))
    assert ast.literal_eval(release.kubectl(*command)) == BY_COMPONENTS[component]


def test_release_works_under_its_policies(release: Release) -> None:
    """The operator's condition shows that it reaches the console of every pod; `helm test` checks the service."""
    release.kubectl("wait", f"jobfinderconfig/{NAME}", "--for=condition=BudgetConverged", "--timeout=60s")
    assert "Succeeded" in release.test()


def test_registration_is_proven_by_the_link_in_its_mail(release: Release) -> None:
    """A task worker sends the mail through its own egress policy; the service cannot reach the mail server."""
    person = Api(release.address().url, lambda *_: []).person()
    assert person.get("users/me").json()["verified_at"] is None
    mails = wait_until(lambda: mail_server.mails_to(person.email, release), bool, "a mail")
    link = re.compile(rf"{re.escape(mail_server.PAGES)}/verify\?token=([\w-]+)")
    found = link.search(mails[0])
    assert found is not None, mails[0]
    assert person.api.post("auth/verify", {"token": found[1]}).status_code == 204
    assert person.get("users/me").json()["verified_at"] is not None


def test_operator_is_degraded_while_it_reaches_no_console(release: Release) -> None:
    """The operator is restarted, because network policies do not close its open connections."""
    config = Config(release)
    rules = release.get("networkpolicy", NAME)["spec"]["ingress"]
    without = [rule for rule in rules if {"port": CONSOLE, "protocol": "TCP"} not in rule["ports"]]
    assert len(without) == len(rules) - 1
    _set_ingress(release, without)
    release.kubectl("rollout", "restart", f"deployment/{NAME}-operator")
    seen = config.wait_for("Degraded", timeout_s=90)
    assert seen.condition("Degraded")["reason"] == "NoConsole"
    assert not seen.holds("Ready")
    _set_ingress(release, rules)
    config.wait_for("Ready", "BudgetConverged", timeout_s=90)


def _set_ingress(release: Release, rules: list[Any]) -> None:
    release.kubectl("patch", "networkpolicy", NAME, "--type=merge", "-p", json.dumps({"spec": {"ingress": rules}}))


def _addresses(release: Release, but: str = "") -> list[tuple[str, int]]:
    """Ports of the last pod of each component, without the pod `but`, as a pod always reaches itself."""
    last = {
        each["metadata"]["labels"]["app.kubernetes.io/component"]: (each["status"]["podIP"], each["metadata"]["name"])
        for each in release.get("pods", "--field-selector=status.phase=Running")["items"]
    }
    return [
        (last[component][0], port) for component, ports in PORTS.items() for port in ports if last[component][1] != but
    ]


def _look(addresses: list[tuple[str, int]]) -> str:
    return LOOK.replace("ADDRESSES", repr(addresses))
