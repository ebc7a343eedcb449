"""Behind a real ingress controller, by Ingress and by HTTPRoute, the tour works and internal pages are not routed."""

from pathlib import Path

import pytest

from tests.e2e.platform.account import forget_ada
from tests.e2e.platform.load.clients import Address
from tests.e2e.platform.release import Release
from tests.e2e.platform.routing import BY_INGRESS, BY_ROUTE, status
from tests.pods.pod import wait_for
from tests.tour import walk_the_tour

INNER = ("/metrics", "/api/v1/health/metrics", "/api/v1/health")
PUBLIC = ("/openapi.json", "/docs", "/.well-known/jwks.json")


@pytest.fixture(params=[BY_INGRESS, BY_ROUTE])
def routed(request: pytest.FixtureRequest, release: Release, ingress_port: Address) -> Address:
    """The address under one host name, once the controller routes it."""
    address = Address(ingress_port.host, ingress_port.port, request.param)
    wait_for(lambda: status(address, "/openapi.json")[0] == 200, f"a route for {address.name}")
    return address


def test_the_tour_works(routed: Address, release: Release, tmp_path: Path) -> None:
    name = f"{routed.name}:{routed.port}:{routed.host}"
    (tmp_path / ".curlrc").write_text(f'resolve = "{name}"\n')
    walk_the_tour(routed.url, {"CURL_HOME": str(tmp_path)})
    forget_ada(release.address())


@pytest.mark.parametrize("path", PUBLIC)
def test_public_pages_are_routed(routed: Address, path: str) -> None:
    assert status(routed, path) == (200, True)


@pytest.mark.parametrize("path", INNER)
def test_internal_pages_are_not_routed(routed: Address, path: str) -> None:
    assert status(routed, path) == (404, False)


def test_other_host_names_are_not_routed(routed: Address) -> None:
    assert status(Address(routed.host, routed.port, "other.test"), "/openapi.json") == (404, False)
