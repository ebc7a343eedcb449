"""Each secret is read from the Secret and the key that the values name."""

from collections.abc import Mapping
from typing import Any

from tests.e2e.chart.rendering import EXTERNAL, Manifest, container, environment, objects, pods, refusal, render

KEYS = {"username": "username", "password": "password", "host": "host", "port": "port", "dbname": "dbname"}
OF_A_DATABASE_OPERATOR = {
    "secrets": {"existingKeysSecret": "keys", "pepper": {"existingSecret": "vault", "key": "pepper-1"}},
    "database": {"existingSecret": "orders-app", "secretKeys": KEYS},
    "operator": {"enabled": True, "existingSecret": "op", "secretKey": "console", "tls": {"existingSecret": "tls"}},
}
READ = {
    "DATABASE_HOST_FILE": "host",
    "DATABASE_PORT_FILE": "port",
    "DATABASE_NAME_FILE": "dbname",
    "DATABASE_USER_FILE": "username",
    "DATABASE_PASSWORD_FILE": "password",
}


def mounted(pod: Manifest, volume: str) -> dict[str, tuple[str, str]]:
    """File -> (Secret, key)."""
    secret = next(each for each in pod["spec"]["volumes"] if each["name"] == volume)["secret"]
    return {item["path"]: (secret["secretName"], item["key"]) for item in secret["items"]}


def told(values: Mapping[str, Any]) -> dict[str, tuple[Manifest, dict[str, str]]]:
    """(pod, environment) of each client of PostgreSQL: the pooler and the migration."""
    found = dict(pods(render(values)))
    app, migration = found["Deployment/jobfinder"], found["Job/jobfinder-migrate"]
    return {
        "pooler": (app, environment(container(app, "pgbouncer-config"))),
        "migration": (migration, environment(container(migration, "migrate"))),
    }


def test_the_secret_of_a_database_operator_is_used_unchanged() -> None:
    for pod, variables in told(OF_A_DATABASE_OPERATOR).values():
        files = mounted(pod, "database-password")
        for name, key in READ.items():
            assert files[variables[name].removeprefix("/run/secrets/jobfinder/")] == ("orders-app", key)
            assert name.removesuffix("_FILE") not in variables


def test_connection_details_missing_in_the_secret_come_from_values() -> None:
    values = {
        **EXTERNAL,
        "database": {
            "host": "db",
            "name": "jobs",
            "user": "them",
            "existingSecret": "s",
            "secretKeys": {"password": "p"},
        },
    }
    for pod, variables in told(values).values():
        assert mounted(pod, "database-password") == {"database-password": ("s", "p")}
        found = [variables[name] for name in ("DATABASE_HOST", "DATABASE_PORT", "DATABASE_NAME", "DATABASE_USER")]
        assert found == ["db", "5432", "jobs", "them"]


def test_every_other_secret_has_its_own_name_and_key() -> None:
    manifests = render(OF_A_DATABASE_OPERATOR)
    found = dict(pods(manifests))
    app, operator = found["Deployment/jobfinder"], found["Deployment/jobfinder-operator"]
    assert mounted(app, "pepper") == {"pepper": ("vault", "pepper-1")}
    for pod, volume in ((app, "operator-password"), (operator, "pgbouncer-password")):
        assert mounted(pod, volume) == {"pgbouncer-password": ("op", "console")}
    assert not [each for each in objects(manifests) if each.startswith("Secret/")]


def test_one_secret_may_hold_pepper_and_password() -> None:
    values = {
        "secrets": {"existingSecret": "own", "existingKeysSecret": "keys", "pepper": {"key": "a"}},
        "database": {"host": "db", "secretKeys": {"password": "b"}},
    }
    app = dict(pods(render(values)))["Deployment/jobfinder"]
    assert mounted(app, "pepper") == {"pepper": ("own", "a")}
    assert mounted(app, "database-password") == {"database-password": ("own", "b")}


def test_database_url_of_the_service_is_fixed() -> None:
    app = dict(pods(render(OF_A_DATABASE_OPERATOR)))["Deployment/jobfinder"]
    assert environment(container(app, "app"))["DATABASE_URL"].startswith("postgresql://jobfinder@/jobfinder?")


def test_existing_secret_with_the_bundled_database_is_refused() -> None:
    values = {**OF_A_DATABASE_OPERATOR, "postgresql": {"enabled": True}}
    assert "Either database.existingSecret or postgresql.enabled" in refusal(values)


def test_partly_given_secrets_are_refused_without_a_cluster() -> None:
    half = {**OF_A_DATABASE_OPERATOR, "secrets": {"existingKeysSecret": "keys"}}
    assert "secrets.existingSecret is needed here" in refusal(half)
