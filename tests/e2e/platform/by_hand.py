"""What a platform team provides: its own Secrets, and an external PostgreSQL that accepts only TLS."""

import json
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.certificates import Authority
from tests.e2e.cluster.access import Cluster
from tests.e2e.cluster.servers.identities import create_authority, create_certificate
from tests.e2e.cluster.shell import run
from tests.e2e.platform.release import CHART, RESTRICTED

HERE = Path(__file__).parent
PASSWORD = "a 'password' of \"theirs\""


def secret(name: str, data: Mapping[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": dict(data)}


def in_one(manifests: Iterable[Mapping[str, Any]]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})


def every_secret(folder: Path, own: str, keys: str, operator: str, tls: str) -> list[dict[str, Any]]:
    """Every Secret that the chart would make, under these names; the certificate is written to `folder`."""
    certificate = Authority().write(folder)
    return [
        secret(own, {"pepper": secrets.token_hex(32), "database-password": PASSWORD}),
        secret(keys, {"20261124-1.pem": run("openssl", "genpkey", "-algorithm", "ed25519")}),
        secret(operator, {"pgbouncer-password": secrets.token_hex(20)}),
        secret(tls, {name: (certificate / name).read_text() for name in ("tls.crt", "tls.key", "ca.crt")}),
    ]


@dataclass(frozen=True)
class Database:
    """PostgreSQL in a namespace of its own. Its certificate for `host` is signed by the authority "trusted"; `present`
    can replace it by one that "stranger" has signed.
    """

    cluster: Cluster
    namespace: str
    pki: Path

    @property
    def host(self) -> str:
        return f"postgresql.{self.namespace}.svc"

    def query(self, *statements: str) -> str:
        """Run each statement in its own transaction as the superuser; return psql's output."""
        given = [f"--command={each}" for each in statements]
        psql = ("psql", "--username=postgres", "--dbname=jobfinder", "--no-align", "--tuples-only", *given)
        return self.cluster.kubectl("-n", self.namespace, "exec", "deployment/postgresql", "--", *psql).strip()

    def present(self, name: str) -> None:
        """Use the certificate `name` for new connections, and end the existing ones."""
        self.query(
            f"ALTER SYSTEM SET ssl_cert_file = '/certificates/{name}.crt'",
            f"ALTER SYSTEM SET ssl_key_file = '/certificates/{name}.key'",
            "SELECT pg_reload_conf()",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'jobfinder'",
        )


@contextmanager
def running_database(cluster: Cluster, pki: Path) -> Iterator[Database]:
    """Start it with a database and a role `jobfinder`."""
    found = Database(cluster, f"database-{secrets.token_hex(2)}", pki)
    certificates: dict[str, str] = {}
    for authority in ("trusted", "stranger"):
        create_authority(pki, f"{authority}-ca")
        names = f"subjectAltName=DNS:{found.host}"
        create_certificate(pki, authority, "/CN=postgresql", f"{authority}-ca", names)
        certificates |= {path.name: path.read_text() for path in pki.glob(f"{authority}.*")}
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
