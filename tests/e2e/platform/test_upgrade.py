"""`helm upgrade` from the chart of an earlier commit keeps secrets, data, availability and alerts."""

import io
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cluster.access import Cluster
from tests.e2e.platform import mail_server
from tests.e2e.platform.alerted import VALUES, alerted
from tests.e2e.platform.load.watch import Load, watched
from tests.e2e.platform.release import CHART, CHECKOUT, NAME, Release, installed
from tests.integration.finality.harness.people import Journal, Person
from tests.pods.connections import Connection, Request

SECRETS = (NAME, f"{NAME}-keys")


@pytest.fixture(scope="module")
def earlier_chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart of the newest commit in which it differs from the working tree."""
    path = CHART.relative_to(CHECKOUT).as_posix()
    for commit in git("rev-list", "--max-count=50", "HEAD", "--", path).decode().split():
        for each in (commit, f"{commit}~1"):
            if git("ls-tree", each, "--", f"{path}/Chart.yaml") and differs(each, path):
                folder = tmp_path_factory.mktemp("earlier")
                with tarfile.open(fileobj=io.BytesIO(git("archive", each, "--", path))) as archive:
                    archive.extractall(folder)  # noqa: S202 - our own commit; Python 3.11.2 knows no filter
                return folder / path
    pytest.skip("no commit has a chart that differs from the working tree")


@pytest.fixture(scope="module")
def upgraded(cluster: Cluster, earlier_chart: Path) -> Iterator[Release]:
    """A release of the earlier chart, to be upgraded."""
    before = mail_server.manifests()
    with installed(cluster, "platform-upgrade", VALUES, chart=earlier_chart, before=before) as release:
        yield release


def test_an_upgrade_keeps_secrets_data_and_availability(upgraded: Release) -> None:
    upgraded.wait_until_healthy()
    address = upgraded.address()
    connection = Connection("", address.port, host=address.host)
    person = Person.register(connection, Journal())
    assert person is not None
    session = person.log_in(connection, Journal())
    assert session is not None
    secrets, stores = secret_data(upgraded), {each: upgraded.uids(each) for each in ("postgresql", "memcached")}
    alerts = alerted(upgraded)
    with watched(address, Load(rate=300, connections=24, actors=2)) as watch, watch.phase("helm upgrade"):
        with alerts.opening():
            upgraded.upgrade()
            upgraded.wait_until_healthy()
        watch.wait_for_calm(1000)
    assert secret_data(upgraded) == secrets
    connection = Connection("", address.port, host=address.host)
    profile = connection.send(Request("GET", "/api/v1/users/me", token=session.token))
    assert (profile.status, profile.body["id"]) == (200, person.id), "a session from before the upgrade is not accepted"
    assert person.log_in(connection, Journal()) is not None, "a password from before the upgrade is not accepted"
    connection.close()
    alerts.assert_each_is_mailed_once()
    if {each: upgraded.uids(each) for each in stores} == stores:
        watch.assert_nothing_failed()
    else:
        assert all(each.honest for each in watch.report.failures), watch.summary()
        watch.assert_final()


def secret_data(release: Release) -> dict[str, dict[str, str]]:
    return {name: release.get("secret", name)["data"] for name in SECRETS}


def git(*arguments: str) -> bytes:
    """Return git's output; empty if git is not installed or fails."""
    try:
        found = subprocess.run(["git", *arguments], cwd=CHECKOUT, check=False, capture_output=True)
    except FileNotFoundError:
        return b""
    return found.stdout if found.returncode == 0 else b""


def differs(commit: str, path: str) -> bool:
    diff = subprocess.run(["git", "diff", "--quiet", commit, "--", path], cwd=CHECKOUT, check=False)
    return diff.returncode == 1
