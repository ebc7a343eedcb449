"""The test cluster itself: DNS, Services, logs, metrics, volumes and Pod Security, on which the other tests rely."""

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

TCP_REPAIR = 19  # of linux/tcp.h; needs CAP_NET_ADMIN
NAMESPACE = f"cluster-test-{secrets.token_hex(2)}"
# Serves the host name of its pod; complies with restricted Pod Security, as every pod must.
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
# A Service without endpoints until the test points its selector at the page's pods.
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


def test_pod_reaches_a_service_by_dns_name(page: Cluster) -> None:
    command = ("exec", "deployment/page", "--", "python3", "-c", GET_PAGE.format(namespace=NAMESPACE))
    assert page.kubectl("-n", NAMESPACE, *command).startswith("page-")


def test_unknown_dns_name_gets_nxdomain(page: Cluster) -> None:
    look = "import socket\ntry: socket.getaddrinfo('no.such.name', 80)\nexcept socket.gaierror as e: print(e.errno)"
    printed = page.kubectl("-n", NAMESPACE, "exec", "deployment/page", "--", "python3", "-c", look)
    assert printed.strip() == "-2"  # EAI_NONAME; -3 (EAI_AGAIN) would mean that no resolver answered


def test_node_port_reaches_every_pod(page: Cluster) -> None:
    url = page.node_port_url("page", NAMESPACE)
    seen: set[str] = set()

    def both_answered() -> bool:
        with urllib.request.urlopen(url, timeout=5) as answer:
            seen.add(answer.read().decode().strip())
        return len(seen) == 2

    wait_for(f"answers of both pods at {url}", both_answered, 60)


def test_node_port_accepts_a_refused_client_once_pods_exist(page: Cluster) -> None:
    """Also from the same client port at once: a stale conntrack entry of the refused attempt must not match."""
    page.apply(LATER, NAMESPACE)
    url = urlsplit(page.node_port_url("later", NAMESPACE))
    address = (str(url.hostname), url.port or 0)
    refused, other = free_port(), free_port()
    heard = time.monotonic() + 3  # by then kube-proxy has programmed the Service
    wait_for("a refusal", lambda: not _connects(address, refused) and time.monotonic() > heard, 10)
    forgotten = time.monotonic() + 2
    page.kubectl("-n", NAMESPACE, "set", "selector", "service/later", "app=page")
    wait_for("a connection", lambda: _connects(address, other) and time.monotonic() > forgotten, 30)
    assert _connects(address, refused)


def test_node_port_accepts_a_client_whose_former_pod_is_gone(page: Cluster) -> None:
    """Also from the same client port soon after: the conntrack entry of the former connection must not match."""
    url = urlsplit(page.node_port_url("page", NAMESPACE))
    address, port, other = (str(url.hostname), url.port or 0), free_port(), free_port()
    with _client(port) as client:
        client.connect(address)
        page.kubectl("-n", NAMESPACE, "delete", "pods", "-l", "app=page", "--wait")
        page.kubectl("-n", NAMESPACE, "rollout", "status", "deployment/page", "--timeout=120s")
        client.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)  # the port is free at once, without a further packet
    forgotten = time.monotonic() + 2
    wait_for("a connection", lambda: _connects(address, other) and time.monotonic() > forgotten, 30)
    assert _connects(address, port)


def _connects(address: tuple[str, int], from_port: int) -> bool:
    with _client(from_port) as client:
        return client.connect_ex(address) == 0


def _client(from_port: int) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    client.bind(("", from_port))
    return client


def test_pod_logs_can_be_read(page: Cluster) -> None:
    assert "started" in page.kubectl("-n", NAMESPACE, "logs", "deployment/page")


def test_metrics_api_reports_every_pod(page: Cluster) -> None:
    def measured() -> bool:
        path = f"/apis/metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/pods"
        return len(json.loads(page.kubectl("get", "--raw", path))["items"]) == 2

    wait_for("metrics of both pods", measured, 90)
    assert "page-" in page.kubectl("-n", NAMESPACE, "top", "pods")


def test_pods_of_one_claim_share_its_volume(page: Cluster) -> None:
    names = page.kubectl("-n", NAMESPACE, "get", "pods", "-l", "app=page", "-o", "name").split()
    page.kubectl("-n", NAMESPACE, "exec", names[0], "--", "sh", "-c", "echo kept >/data/file")
    assert page.kubectl("-n", NAMESPACE, "exec", names[1], "--", "cat", "/data/file") == "kept\n"


def test_a_privileged_pod_is_refused(page: Cluster) -> None:
    with pytest.raises(ClusterError, match="violates PodSecurity"):
        page.kubectl("-n", NAMESPACE, "run", "root", "--image=localhost/jobfinder:e2e", "--privileged")
