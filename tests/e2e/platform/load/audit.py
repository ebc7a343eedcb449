"""Once all changes are published, every worker accepts exactly the live sessions of PostgreSQL."""

from tests.e2e.platform.load.clients import WORKERS_MOST, ServiceConnections, Tally
from tests.e2e.platform.load.watch import Watch
from tests.e2e.platform.release import NAME, Release
from tests.integration.finality.harness.truth import LIVE_SESSIONS
from tests.pods.connections import Request
from tests.pods.pod import wait_for

AUDITED = 300
UNPUBLISHED = "SELECT count(*) FROM outbox"


def audit(release: Release, watch: Watch) -> None:
    """Try the newest sessions of the checker on every worker that can be found, without the load's pauses."""
    wait_for(lambda: ask_database(release, UNPUBLISHED) == ["0"], "the outbox is drained")
    live = set(map(int, ask_database(release, LIVE_SESSIONS)))
    connections = ServiceConnections(watch.address, WORKERS_MOST, Tally())
    for session in watch.world.every[-AUDITED:]:
        for connection in connections.all():
            answer = connection.send(Request("GET", "/api/v1/users/me", token=session.token))
            assert answer.status == (200 if session.id in live else 401), (session.id, answer)
    connections.close()


def ask_database(release: Release, sql: str) -> list[str]:
    """Run `sql` in the bundled PostgreSQL and return the printed values."""
    database = ("psql", "--username=postgres", "--dbname=jobfinder", "--tuples-only", "--no-align")
    return release.kubectl("exec", f"{NAME}-postgresql-0", "--", *database, f"--command={sql}").split()
