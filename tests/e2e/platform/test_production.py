"""As a platform team installs it: PostgreSQL elsewhere, over TLS, and its certificate verified; every Secret made by
hand; the operator; in a namespace that denies what nobody has allowed.
"""

import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import Authority
from tests.e2e.cluster.access import Cluster
from tests.e2e.cluster.config import ClusterError
from tests.e2e.cluster.identities import create_authority, create_certificate
from tests.e2e.cluster.shell import run
from tests.e2e.platform.release import CHART, NAME, RESTRICTED, VALUES, Release, installed
from tests.e2e.waiting import wait_until

HERE = Path(__file__).parent
PASSWORD = "a 'password' of \"theirs\""
DENY = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "deny"},
    "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
}


@dataclass(frozen=True)
class Database:
    """PostgreSQL in a namespace of its own. Its certificate is for `host`, signed by the authority "trusted", which has
    another one ready that "stranger" has signed.
    """

    cluster: Cluster
    namespace: str
    pki: Path

    @property
    def host(self) -> str:
        return f"postgresql.{self.namespace}.svc"

    def query(self, *statements: str) -> str:
        """What psql prints, each statement in a transaction of its own; as the superuser."""
        given = [f"--command={each}" for each in statements]
        psql = ("psql", "--username=postgres", "--dbname=jobfinder", "--no-align", "--tuples-only", *given)
        return self.cluster.kubectl("-n", self.namespace, "exec", "deployment/postgresql", "--", *psql).strip()

    def present(self, name: str) -> None:
        """Show the certificate `name` from now on, to new connections: the present ones end."""
        self.query(
            f"ALTER SYSTEM SET ssl_cert_file = '/certificates/{name}.crt'",
            f"ALTER SYSTEM SET ssl_key_file = '/certificates/{name}.key'",
            "SELECT pg_reload_conf()",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'jobfinder'",
        )


@pytest.fixture(scope="module")
def database(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    found = Database(cluster, f"database-{secrets.token_hex(2)}", tmp_path_factory.mktemp("pki"))
    certificates: dict[str, str] = {}
    for authority in ("trusted", "stranger"):
        create_authority(found.pki, f"{authority}-ca")
        names = f"subjectAltName=DNS:{found.host}"
        create_certificate(found.pki, authority, "/CN=postgresql", f"{authority}-ca", names)
        certificates |= {path.name: path.read_text() for path in found.pki.glob(f"{authority}.*")}
    manifests = [
        secret("certificates", certificates),
        secret("passwords", {"superuser": secrets.token_hex(16), "jobfinder": PASSWORD}),
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "role"},
            "data": {"role.sh": (CHART / "files" / "create-role.sh").read_text()},
        },
    ]
    with cluster.namespace(found.namespace, RESTRICTED):
        cluster.apply(in_one(manifests), found.namespace)
        cluster.apply((HERE / "database.yaml").read_text(), found.namespace)
        cluster.wait("condition=Available", "deployment/postgresql", namespace=found.namespace)
        yield found


@pytest.fixture(scope="module")
def release(cluster: Cluster, database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    certificate = Authority().write(tmp_path_factory.mktemp("certificate"))
    key = run("openssl", "genpkey", "-algorithm", "ed25519")
    before = [
        DENY,
        secret("own", {"pepper": secrets.token_hex(32), "database-password": PASSWORD}),
        secret("own-keys", {"20261124-1.pem": key}),
        secret("own-operator", {"pgbouncer-password": secrets.token_hex(20)}),
        secret("own-tls", {name: (certificate / name).read_text() for name in ("tls.crt", "tls.key", "ca.crt")}),
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


def secret(name: str, data: Mapping[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": dict(data)}


def in_one(manifests: list[dict[str, Any]]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})


def connected(host: str, authority: str) -> dict[str, Any]:
    return {"host": host, "tls": {"mode": "verify-full", "caSecret": authority}}


def test_it_works_where_nothing_is_allowed_but_by_its_own_policies(release: Release) -> None:
    assert "Succeeded" in release.test()
    release.kubectl("wait", f"jobfinderconfig/{NAME}", "--for=condition=BudgetConverged", "--timeout=60s")


def test_the_chart_made_no_secret(release: Release) -> None:
    names = {each["metadata"]["name"] for each in release.get("secrets", "--field-selector=type=Opaque")["items"]}
    assert names == {"own", "own-keys", "own-operator", "own-tls", "trusted", "stranger"}


def test_every_connection_to_the_database_is_encrypted(release: Release, database: Database) -> None:
    assert release.health() == "ok"
    who = "pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'jobfinder'"
    assert database.query(f"SELECT DISTINCT ssl FROM {who}") == "t"


def test_an_upgrade_runs_its_hooks_there(release: Release) -> None:
    """The migration, and the definition of the operator's resource."""
    before = release.uids()
    release.upgrade({"podAnnotations": {"example.com/upgraded": "yes"}})
    release.wait_until_healthy()
    assert not before & release.uids()


@pytest.mark.parametrize(
    ("domain", "authority", "complaint"),
    [("", "stranger", "certificate verify failed"), (".cluster.local", "trusted", "does not match host name")],
)
def test_an_upgrade_that_could_not_verify_the_database_changes_nothing(
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


def test_a_server_with_a_certificate_of_somebody_else_gets_no_connection(release: Release, database: Database) -> None:
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
