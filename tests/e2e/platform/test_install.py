"""`helm install` into an empty namespace with restricted Pod Security: everything is ready, tested and answers."""

from tests.e2e.platform.account import forget_ada
from tests.e2e.platform.release import NAME, Release
from tests.tour import walk_the_tour


def test_everything_is_ready_without_a_restart(release: Release) -> None:
    wanted = {"app": 2, "memcached": 2, "postgresql": 1}
    for component, number in wanted.items():
        pods = release.pods(component)
        assert [each.ready for each in pods] == [True] * number, pods
        assert [each.restarts for each in pods] == [0] * number, pods
    jobs = release.get("jobs")["items"]
    assert [each["status"].get("succeeded") for each in jobs] == [1] * len(jobs)
    assert release.health() == "ok"


def test_no_pod_violates_restricted_pod_security(release: Release) -> None:
    labels = release.get("namespace", release.namespace)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    events = release.get("events")["items"]
    assert [each["message"] for each in events if "violates PodSecurity" in each["message"]] == []


def test_helm_test_passes(release: Release) -> None:
    assert "Succeeded" in release.test()


def test_the_tour_works_through_the_node_port(release: Release) -> None:
    address = release.address()
    walk_the_tour(address.url)
    forget_ada(address)


def test_metrics_are_served_within_the_cluster(release: Release) -> None:
    from tests.pods.connections import Connection, Request

    address = release.address()
    connection = Connection("", address.port, host=address.host)
    assert connection.send(Request("GET", "/metrics")).status == 200
    assert connection.send(Request("GET", "/api/v1/health/metrics")).status == 200
    assert NAME in release.get("deployment", NAME)["metadata"]["name"]
    connection.close()
