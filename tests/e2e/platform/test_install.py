"""`helm install` into an empty namespace with restricted Pod Security: everything is ready, tested and answers."""

from tests.e2e.platform.account import forget_ada
from tests.e2e.platform.release import NAME, Release
from tests.tour import walk_the_tour


def test_everything_is_ready_and_nothing_had_to_be_started_twice(release: Release) -> None:
    wanted = {"app": 2, "memcached": 2, "postgresql": 1}
    for component, number in wanted.items():
        pods = release.pods(component)
        assert [each.ready for each in pods] == [True] * number, pods
        assert [each.restarts for each in pods] == [0] * number, pods
    jobs = release.get("jobs")["items"]
    assert [each["status"].get("succeeded") for each in jobs] == [1] * len(jobs)
    assert release.health() == "ok"


def test_the_namespace_refuses_what_is_not_restricted(release: Release) -> None:
    labels = release.get("namespace", release.namespace)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    events = release.get("events")["items"]
    assert [each["message"] for each in events if "violates PodSecurity" in each["message"]] == []


def test_the_test_of_the_chart_passes(release: Release) -> None:
    assert "Succeeded" in release.test()


def test_the_tour_works_through_a_port_of_the_node(release: Release) -> None:
    address = release.address()
    walk_the_tour(address.url)
    forget_ada(address)


def test_what_is_open_to_prometheus_is_there_inside(release: Release) -> None:
    from tests.integration.finality.harness.connections import Connection, Request

    address = release.address()
    connection = Connection("", address.port, host=address.host)
    assert connection.send(Request("GET", "/metrics")).status == 200
    assert connection.send(Request("GET", "/api/v1/health/metrics")).status == 200
    assert NAME in release.get("deployment", NAME)["metadata"]["name"]
    connection.close()
