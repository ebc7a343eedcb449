"""Values that route a release, with realtime, through the tests' ingress controller, and a request to check a route."""

import http.client
import secrets

from tests.e2e.platform.load.clients import Address

INGRESS_NAMESPACE = f"platform-ingress-{secrets.token_hex(2)}"
BY_INGRESS, BY_ROUTE = "ingress.jobfinder.test", "route.jobfinder.test"
ROUTED = {
    "trustedProxies": ["10.0.0.0/8"],
    "networkPolicy": {
        "ingressFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": INGRESS_NAMESPACE}}}]
    },
    "realtime": {
        "enabled": True,
        "connections": 1,
        "drainSeconds": 5,
        "hpa": {"minReplicas": 1, "maxReplicas": 1},
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
    },
    "ingress": {"enabled": True, "className": "jobfinder-e2e", "hosts": [BY_INGRESS]},
    "httpRoute": {
        "enabled": True,
        "parentRefs": [{"name": "traefik", "namespace": INGRESS_NAMESPACE}],
        "hostnames": [BY_ROUTE],
    },
}


def status(address: Address, path: str) -> tuple[int, bool]:
    """Return (HTTP status, whether the service answered); (0, False) without a response."""
    connection = http.client.HTTPConnection(address.host, address.port, timeout=10)
    try:
        connection.request("GET", path, headers={"Host": address.name})
        response = connection.getresponse()
        response.read()
        return response.status, response.getheader("x-request-id") is not None
    except OSError:
        return 0, False
    finally:
        connection.close()
