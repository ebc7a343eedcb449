"""A streaming replica of the release's PostgreSQL, which can go away and come back."""

from pathlib import Path

from tests.e2e.platform.release import NAME, Release
from tests.e2e.waiting import wait_until

REPLICA = "replica"
MANIFEST = (Path(__file__).parent / "replica.yaml").read_text()
LABEL = f"app={REPLICA}"
ALLOW = "echo 'host replication postgres all scram-sha-256' >>\"$PGDATA/pg_hba.conf\" && pg_ctl reload"


def let_it_stream(release: Release) -> None:
    """Let the replica's pod copy the primary, and wait until it answers. Its manifest is applied already."""
    release.kubectl("exec", f"{NAME}-postgresql-0", "-c", "postgresql", "--", "sh", "-c", ALLOW)
    wait_until_there(release)


def kill(release: Release) -> None:
    """End the replica at once; another pod follows, with a copy of its own."""
    release.kubectl("delete", "pod", "-l", LABEL, "--force", "--grace-period=0", "--wait=false")


def wait_until_there(release: Release) -> None:
    release.kubectl("rollout", "status", f"deployment/{REPLICA}", "--timeout=120s")


def pod(release: Release) -> str:
    """Name of the pod that answers; empty while none does."""
    for each in release.get("pods", "-l", LABEL)["items"]:
        conditions = {found["type"]: found["status"] for found in each["status"].get("conditions", ())}
        if conditions.get("Ready") == "True" and "deletionTimestamp" not in each["metadata"]:
            return str(each["metadata"]["name"])
    return ""


def wait_until_used(release: Release) -> None:
    """Wait until the service says that all is well, its replica included."""
    wait_until(release.health, lambda status: status == "ok", "health ok, with the replica", timeout_s=60)
