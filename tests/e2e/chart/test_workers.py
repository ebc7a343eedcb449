"""Task workers: a Deployment with a PgBouncer of its own, whose connections are part of the budget."""

from tests.e2e.chart.rendering import (
    EVERYTHING,
    EXTERNAL,
    RELEASE,
    Values,
    container,
    environment,
    named,
    objects,
    pods,
    refusal,
    render,
)

NAME = f"{RELEASE}-worker"
WORKERS: Values = {**EXTERNAL, "worker": {"enabled": True, "replicas": 3, "connections": 4}}


def test_there_are_no_workers_unless_they_are_wanted() -> None:
    assert not [each for each in objects(render(EXTERNAL)) if "worker" in each]


def test_worker_has_the_pods_database_and_tuning_but_no_signing_keys() -> None:
    found = dict(pods(render(EVERYTHING)))
    pod, app = found[f"Deployment/{NAME}"], found[f"Deployment/{RELEASE}"]
    mine, own = container(pod, "worker"), container(app, "app")
    assert mine["args"] == ["worker"] and mine["image"] == own["image"]
    assert environment(mine)["DATABASE_URL"] == environment(own)["DATABASE_URL"]
    mounted = {each["name"] for each in mine["volumeMounts"]}
    assert {"tuning", "pepper", "pgbouncer-socket"} <= mounted and "keys" not in mounted
    assert container(pod, "pgbouncer") == container(app, "pgbouncer")


def test_a_rollout_of_workers_adds_no_pods() -> None:
    strategy = named(render(WORKERS), "Deployment", NAME)["spec"]["strategy"]["rollingUpdate"]
    assert strategy == {"maxSurge": 0, "maxUnavailable": 1}


def test_their_connections_are_taken_from_the_shares_of_other_pods() -> None:
    found = dict(pods(render(WORKERS)))
    sizes = {
        name: int(environment(container(found[f"Deployment/{name}"], "pgbouncer-config"))["PGBOUNCER_POOL_SIZE"])
        for name in (RELEASE, NAME)
    }
    assert sizes[NAME] == 4
    assert sizes[RELEASE] == (80 - 5 - 2 * 3 * 4) // 13
    with_operator = render({**EVERYTHING, "worker": WORKERS["worker"]})
    assert named(with_operator, "JobFinderConfig", RELEASE)["spec"]["database"]["headroom"] == 5


def test_too_many_connections_of_workers_are_refused() -> None:
    message = refusal({**EXTERNAL, "worker": {"enabled": True, "replicas": 8, "connections": 4}})
    assert "+ database.headroom 5 + 2 x worker.replicas 8 x worker.connections 4 = 82 is more than" in message
    assert "Nearest that works: database.connectionBudget 82" in message


def test_prometheus_and_the_operator_alone_reach_them() -> None:
    ingress = named(render(EVERYTHING), "NetworkPolicy", NAME)["spec"]["ingress"]
    assert [[each["port"] for each in rule["ports"]] for rule in ingress] == [[8002], [6432, 8002], [9127]]
    assert all(rule["from"] for rule in ingress)
    for server in ("memcached", "postgresql"):
        values = {**WORKERS, "postgresql": {"enabled": True}, "database": {}}
        (rule,) = named(render(values), "NetworkPolicy", f"{RELEASE}-{server}")["spec"]["ingress"]
        assert "worker" in [each["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for each in rule["from"]]


def test_mail_is_announced_by_the_service_and_sent_by_workers() -> None:
    found = dict(pods(render(EVERYTHING)))
    for name, own in ((RELEASE, "app"), (NAME, "worker")):
        pod = found[f"Deployment/{name}"]
        made, [volume] = container(pod, own), [each for each in pod["spec"]["volumes"] if each["name"] == "mail"]
        assert environment(made)["MAIL_URL_FILE"] == "/run/secrets/jobfinder-mail/mail-url"
        assert environment(made)["ACCOUNT_PAGES_URL"] == EVERYTHING["mail"]["pagesUrl"]
        assert "mail" in {each["name"] for each in made["volumeMounts"]}
        assert volume["secret"]["items"] == [{"key": "mail-url", "path": "mail-url"}]
    without = dict(pods(render(WORKERS)))[f"Deployment/{NAME}"]
    assert "MAIL_URL_FILE" not in environment(container(without, "worker"))


def test_workers_alone_reach_the_mail_server() -> None:
    peers = [{"ipBlock": {"cidr": "10.1.2.5/32"}}]
    policy = {"mailEgress": peers, "mailPorts": [2465]}
    manifests = render({**WORKERS, "mail": EVERYTHING["mail"], "networkPolicy": policy})
    rule = {"ports": [{"port": 2465}], "to": peers}
    for name, reaches in ((NAME, True), (RELEASE, False)):
        assert (rule in named(manifests, "NetworkPolicy", name)["spec"]["egress"]) == reaches
    assert rule not in named(render(WORKERS), "NetworkPolicy", NAME)["spec"]["egress"]
