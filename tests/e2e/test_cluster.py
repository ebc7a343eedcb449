"""The cluster itself: what the other tests take for granted."""

import json
import secrets
import socket
import time
import urllib.request
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.e2e.cluster.access import Cluster
from tests.e2e.cluster.config import ClusterError
from tests.e2e.cluster.servers.network import free_port
from tests.e2e.cluster.shell import wait_for

NAMESPACE = f"cluster-test-{secrets.token_hex(2)}"
# Serves its own host name; restricted Pod Security holds for it as for everything.
PAGE = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: page}
spec:
  replicas: 2
  selector: {matchLabels: {app: page}}
  template:
    metadata: {labels: {app: page}}
    spec:
      terminationGracePeriodSeconds: 1
      securityContext: {runAsNonRoot: true, fsGroup: 10001, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: page
        image: localhost/jobfinder:e2e
        imagePullPolicy: Never
        command: [sh, -c, "echo started; cd /tmp; hostname >index.html; exec python3 -m http.server 8080"]
        readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
        resources: {requests: {cpu: 10m, memory: 16Mi}}
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
        volumeMounts: [{name: tmp, mountPath: /tmp}, {name: data, mountPath: /data}]
      volumes:
      - {name: tmp, emptyDir: {}}
      - {name: data, persistentVolumeClaim: {claimName: page}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: page}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: Service
metadata: {name: page}
spec: {type: NodePort, selector: {app: page}, ports: [{name: http, port: 80, targetPort: 8080}]}
"""
# Nobody answers for it until its selector names the page's pods.
LATER = """
apiVersion: v1
kind: Service
metadata: {name: later}
spec: {type: NodePort, selector: {app: nobody}, ports: [{name: http, port: 80, targetPort: 8080}]}
"""
GET_PAGE = "import urllib.request as r; print(r.urlopen('http://page.{namespace}.svc.cluster.local').read().decode())"


@pytest.fixture(scope="module")
def page(cluster: Cluster) -> Iterator[Cluster]:
    with cluster.namespace(NAMESPACE, {"pod-security.kubernetes.io/enforce": "restricted"}):
        cluster.apply(PAGE, NAMESPACE)
        cluster.kubectl("-n", NAMESPACE, "rollout", "status", "deployment/page", "--timeout=120s")
        yield cluster


def test_a_pod_reaches_a_service_by_its_name(page: Cluster) -> None:
    command = ("exec", "deployment/page", "--", "python3", "-c", GET_PAGE.format(namespace=NAMESPACE))
    assert page.kubectl("-n", NAMESPACE, *command).startswith("page-")


def test_a_name_that_does_not_exist_is_answered(page: Cluster) -> None:
    look = "import socket\ntry: socket.getaddrinfo('no.such.name', 80)\nexcept socket.gaierror as e: print(e.errno)"
    printed = page.kubectl("-n", NAMESPACE, "exec", "deployment/page", "--", "python3", "-c", look)
    assert printed.strip() == "-2"  # EAI_NONAME; -3 would be a resolver without an answer


def test_the_machine_reaches_every_pod_through_a_node_port(page: Cluster) -> None:
    url = page.node_port_url("page", NAMESPACE)
    seen: set[str] = set()

    def both_answered() -> bool:
        with urllib.request.urlopen(url, timeout=5) as answer:
            seen.add(answer.read().decode().strip())
        return len(seen) == 2

    wait_for(f"answers of both pods at {url}", both_answered, 60)


def test_who_was_refused_before_there_was_a_pod_is_let_in_after(page: Cluster) -> None:
    """From the same port, too, and at once: its refused attempt is not taken for the beginning of this one."""
    page.apply(LATER, NAMESPACE)
    url = urlsplit(page.node_port_url("later", NAMESPACE))
    address = (str(url.hostname), url.port or 0)
    refused, other = free_port(), free_port()
    heard = time.monotonic() + 3  # kube-proxy has by then
    wait_for("a refusal", lambda: not _connects(address, refused) and time.monotonic() > heard, 10)
    forgotten = time.monotonic() + 2
    page.kubectl("-n", NAMESPACE, "set", "selector", "service/later", "app=page")
    wait_for("a connection", lambda: _connects(address, other) and time.monotonic() > forgotten, 30)
    assert _connects(address, refused)


def _connects(address: tuple[str, int], from_port: int) -> bool:
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.bind(("", from_port))
        return client.connect_ex(address) == 0


def test_logs_are_read(page: Cluster) -> None:
    assert "started" in page.kubectl("-n", NAMESPACE, "logs", "deployment/page")


def test_metrics_of_pods_are_measured(page: Cluster) -> None:
    def measured() -> bool:
        path = f"/apis/metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/pods"
        return len(json.loads(page.kubectl("get", "--raw", path))["items"]) == 2

    wait_for("metrics of both pods", measured, 90)
    assert "page-" in page.kubectl("-n", NAMESPACE, "top", "pods")


def test_a_volume_keeps_what_is_written(page: Cluster) -> None:
    names = page.kubectl("-n", NAMESPACE, "get", "pods", "-l", "app=page", "-o", "name").split()
    page.kubectl("-n", NAMESPACE, "exec", names[0], "--", "sh", "-c", "echo kept >/data/file")
    assert page.kubectl("-n", NAMESPACE, "exec", names[1], "--", "cat", "/data/file") == "kept\n"


def test_a_privileged_pod_is_refused(page: Cluster) -> None:
    with pytest.raises(ClusterError, match="violates PodSecurity"):
        page.kubectl("-n", NAMESPACE, "run", "root", "--image=localhost/jobfinder:e2e", "--privileged")
