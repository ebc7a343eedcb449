"""Which changes are acknowledged as final while memcached or a worker fails between commit and publication."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from app.local.memcached import Memcached
from tests.integration.finality.harness.clients import ME, Client, client_of, in_flight, log_out
from tests.integration.finality.harness.truth import wait_until_revoked
from tests.pods.connections import Connection, Request
from tests.pods.database import rows, wait_until_published
from tests.pods.pod import CHECKOUT, Pod, Shared, wait_for


@pytest.fixture
def client(whole: list[Pod]) -> Iterator[Client]:
    with client_of(whole) as client:
        yield client


def test_logout_without_memcached_is_stored_but_not_final(
    client: Client, whole: list[Pod], shared: Shared, cache_servers: list[Memcached]
) -> None:
    leaving, staying = client.log_in(), client.log_in()
    assert client.statuses(leaving) == {200}
    for each in cache_servers:
        each.kill()
    for pod in whole:
        wait_for(lambda pod=pod: pod.health() == "degraded", "health says degraded")  # type: ignore[misc]
    body = {"headline": "edited without a cache"}
    edit, logout = (Connection(whole[0].name, whole[0].port) for _ in range(2))
    with in_flight([(edit, Request("PATCH", ME, body, staying.token)), (logout, log_out(leaving))]) as asked:
        wait_until_revoked(shared, [leaving.id])
        assert client.statuses(leaving) == {401}
        assert client.statuses(staying) == {200}
    assert asked[0].result().status == 200
    answer = asked[1].result()
    assert (answer.status, answer.code) == (503, "not_final")
    assert int(answer.headers["retry-after"]) > 0
    assert client.read(staying).body["headline"] == "edited without a cache"

    for each in cache_servers:
        each.start()
    assert logout.send(log_out(leaving)).status == 204
    assert client.statuses(leaving) == {401}
    wait_until_published(shared)
    for pod in whole:
        pod.wait_until_ok()


def test_company_change_is_not_final_while_the_log_is_paused(
    client: Client, whole: list[Pod], shared: Shared, cache_servers: list[Memcached]
) -> None:
    """A paused log keeps its entries; a retried change is final once the log answers again."""
    owner = client.log_in()
    connection = Connection(whole[0].name, whole[0].port)
    made = connection.send(Request("POST", "/api/v1/companies", {"name": "Acme"}, owner.token)).body
    read = Request("GET", f"/api/v1/companies/{made['id']}")
    assert {each.send(read).body["name"] for each in client.connections.all()} == {"Acme"}
    rename = Request("PATCH", read.path, {"name": "Renamed"}, owner.token)
    cache_servers[0].pause()
    try:
        answer = connection.send(rename)
    finally:
        cache_servers[0].resume()
    assert (answer.status, answer.code) == (503, "not_final")
    assert connection.send(rename).status == 200
    assert {each.send(read).body["name"] for each in client.connections.all()} == {"Renamed"}
    wait_until_published(shared)


def test_unpublished_changes_reach_every_worker_once_the_log_resumes(
    client: Client, whole: list[Pod], shared: Shared, cache_servers: list[Memcached]
) -> None:
    """A paused log keeps its entries, so without the new entry it would still prove the workers' old values."""
    leaving, staying = client.log_in(), client.log_in()
    assert client.statuses(leaving) == client.statuses(staying) == {200}
    body = {"headline": "edited while the log was silent"}
    edit, logout = (Connection(whole[0].name, whole[0].port) for _ in range(2))
    cache_servers[0].pause()
    try:
        with in_flight([(edit, Request("PATCH", ME, body, staying.token)), (logout, log_out(leaving))]) as asked:
            pass
        assert asked[0].result().status == 200
        assert (asked[1].result().status, asked[1].result().code) == (503, "not_final")
    finally:
        cache_servers[0].resume()
    read = [client.read(staying, each).body["headline"] for each in client.connections.all()]
    assert set(read) == {"edited while the log was silent"}
    assert client.statuses(leaving) == {401}
    wait_until_published(shared)


@pytest.mark.parametrize("lost", [[0], [1], [0, 1, 2]], ids=["log", "other", "all"])
def test_lost_memcached_does_not_revive_an_ended_session(
    client: Client, cache_servers: list[Memcached], lost: list[int]
) -> None:
    ended, living = client.log_in(), client.log_in()
    assert client.statuses(ended) == client.statuses(living) == {200}
    assert client.connections.all()[0].send(log_out(ended)).status == 204
    for number in lost:
        cache_servers[number].kill()
    assert client.statuses(ended) == {401}
    assert client.statuses(living) == {200}
    for number in lost:
        cache_servers[number].start()
    assert client.statuses(ended) == {401}
    assert client.statuses(living) == {200}
    for each in cache_servers:
        each.flush()
    assert client.statuses(ended) == {401}
    assert client.statuses(living) == {200}


@pytest.mark.parametrize("retried", [True, False])
def test_logout_becomes_final_after_its_worker_died_before_publication(
    client: Client, whole: list[Pod], shared: Shared, cache_servers: list[Memcached], retried: bool
) -> None:
    session = client.log_in()
    assert client.statuses(session) == {200}
    dying, other = whole
    connection = Connection(dying.name, dying.port)
    cache_servers[0].pause()
    try:
        with in_flight([(connection, log_out(session))]) as asked:
            wait_until_revoked(shared, [session.id])
            for worker in dying.workers():
                os.kill(worker, signal.SIGKILL)
    finally:
        cache_servers[0].resume()
    assert asked[0].result().status == 0
    if retried:
        with client_of([other]) as survivor:
            assert survivor.connections.all()[0].send(log_out(session)).status == 204
            assert survivor.statuses(session) == {401}
    else:
        wait_until_published(shared)
    dying.wait_until_ok()
    client.wait_until(session, 401)


ENDS = (
    "UPDATE users SET token_epoch = token_epoch + 1 WHERE id = %s RETURNING id",
    "UPDATE sessions SET revoked_at = now() WHERE user_id = %s RETURNING id",
    "DELETE FROM sessions WHERE user_id = %s RETURNING id",
    "DELETE FROM users WHERE id = %s RETURNING id",
)


def test_changes_by_sql_reach_every_worker(whole: list[Pod], client: Client, shared: Shared) -> None:
    """Each statement in ENDS on its own account, and an edited profile."""
    staying = client.log_in()
    with ExitStack() as opened:
        clients = [opened.enter_context(client_of(whole)) for _ in ENDS]
        sessions = [each.log_in() for each in clients]
        assert {status for each in (*sessions, staying) for status in client.statuses(each)} == {200}
        for each, statement in zip(clients, ENDS, strict=True):
            rows(shared, statement, each.person.id)
        rows(shared, "UPDATE users SET headline = 'by sql' WHERE id = %s RETURNING id", client.person.id)
        for session in sessions:
            client.wait_until(session, 401)

    def known() -> bool:
        return {client.read(staying, each).body["headline"] for each in client.connections.all()} == {"by sql"}

    wait_for(known, "every worker reads the new profile")


def end_sessions(pod: Pod, email: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m app sessions end` with the environment of `pod`."""
    command = [sys.executable, "-m", "app", "sessions", "end", email]
    return subprocess.run(
        command, cwd=CHECKOUT, env=pod.environment(), capture_output=True, text=True, timeout=60, check=False
    )


def test_sessions_end_command_ends_every_session(client: Client, whole: list[Pod], shared: Shared) -> None:
    sessions = [client.log_in(), client.log_in()]
    assert [client.statuses(each) for each in sessions] == [{200}, {200}]
    done = end_sessions(whole[0], client.person.email.upper())
    assert [client.statuses(each) for each in sessions] == [{401}, {401}]
    assert (done.returncode, done.stderr) == (0, "")
    audited = "SELECT agent FROM audit_log WHERE event = 'sessions_ended' AND user_id = %s"
    assert rows(shared, audited, client.person.id) == [("python -m app sessions end",)]


@pytest.mark.parametrize(
    ("email", "reason"),
    [
        ("nobody@example.com", "there is no account with the address nobody@example.com"),
        ("nobody", "nobody is not an e-mail address"),
    ],
)
def test_sessions_end_command_reports_an_unknown_account(whole: list[Pod], email: str, reason: str) -> None:
    done = end_sessions(whole[0], email)
    assert (done.returncode, done.stderr) == (2, f"jobfinder: cannot sessions end:\n{reason}\n")
