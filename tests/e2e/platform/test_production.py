"""A production install: external PostgreSQL over TLS with a verified certificate, every Secret made by hand, the
operator, and a namespace that denies traffic by default.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.cluster.access import Cluster
from tests.e2e.cluster.config import ClusterError
from tests.e2e.platform.by_hand import Database, every_secret, in_one, secret
from tests.e2e.platform.release import NAME, VALUES, Release, installed
from tests.e2e.waiting import wait_until

DENY = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "deny"},
    "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
}


@pytest.fixture(scope="module")
def release(cluster: Cluster, database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    before = [
        DENY,
        *every_secret(tmp_path_factory.mktemp("certificate"), "own", "own-keys", "own-operator", "own-tls"),
        *(secret(name, {"ca.crt": (database.pki / f"{name}-ca.crt").read_text()}) for name in ("trusted", "stranger")),
    ]
    values = {
        "postgresql": {"enabled": False},
        "secrets": {"existingSecret": "own", "existingKeysSecret": "own-keys"},
        "operator": {"enabled": True, "existingSecret": "own-operator", "tls": {"existingSecret": "own-tls"}},
        "database": {**VALUES["database"], **connected(database.host, "trusted")},
        "networkPolicy": {
            "databaseEgress": [
                {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": database.namespace}}}
            ]
        },
        "migrations": {"backoffLimit": 0},
    }
    with installed(cluster, "production", values, before=in_one(before)) as found:
        yield found


def connected(host: str, authority: str) -> dict[str, Any]:
    return {"host": host, "tls": {"mode": "verify-full", "caSecret": authority}}


def test_release_works_in_a_default_deny_namespace(release: Release) -> None:
    assert "Succeeded" in release.test()
    release.kubectl("wait", f"jobfinderconfig/{NAME}", "--for=condition=BudgetConverged", "--timeout=60s")


def test_the_chart_creates_no_secret(release: Release) -> None:
    names = {each["metadata"]["name"] for each in release.get("secrets", "--field-selector=type=Opaque")["items"]}
    assert names == {"own", "own-keys", "own-operator", "own-tls", "trusted", "stranger"}


def test_every_connection_to_the_database_is_encrypted(release: Release, database: Database) -> None:
    assert release.health() == "ok"
    who = "pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'jobfinder'"
    assert database.query(f"SELECT DISTINCT ssl FROM {who}") == "t"


def test_upgrade_runs_its_hooks_in_a_default_deny_namespace(release: Release) -> None:
    """The hooks are the migration and the update of the CRD."""
    before = release.uids()
    release.upgrade({"podAnnotations": {"example.com/upgraded": "yes"}})
    release.wait_until_healthy()
    assert not before & release.uids()


@pytest.mark.parametrize(
    ("domain", "authority", "complaint"),
    [("", "stranger", "certificate verify failed"), (".cluster.local", "trusted", "does not match host name")],
)
def test_upgrade_with_an_unverifiable_database_changes_nothing(
    release: Release, database: Database, domain: str, authority: str, complaint: str
) -> None:
    before = release.uids()
    with pytest.raises(ClusterError, match="pre-upgrade hooks failed"):
        wrong = connected(database.host + domain, authority)
        release.upgrade({"database": wrong, "migrations": {"waitSeconds": 20}})
    assert complaint in release.kubectl("logs", f"job/{NAME}-migrate")
    assert (release.uids(), release.health()) == (before, "ok")
    release.upgrade({"database": connected(database.host, "trusted"), "migrations": {"waitSeconds": 120}})
    assert release.uids() == before


def test_server_with_an_untrusted_certificate_gets_no_connection(release: Release, database: Database) -> None:
    database.present("stranger")
    try:
        wait_until(release.health, lambda seen: seen == "unavailable", "health unavailable", timeout_s=60)
        logs = [release.kubectl("logs", each.name, "-c", "pgbouncer") for each in release.pods()]
        assert any("certificate verify failed" in each for each in logs), logs
        assert database.query("SELECT count(*) FROM pg_stat_activity WHERE usename = 'jobfinder'") == "0"
    finally:
        database.present("trusted")
    wait_until(release.health, lambda seen: seen == "ok", "health ok", timeout_s=60)
    assert "Succeeded" in release.test()
