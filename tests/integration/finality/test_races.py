"""Races in PostgreSQL: a request that waited for a row lock sees the other rows of the committed transaction."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg2
import pytest

from tests.integration.finality.harness.clients import Client, client_of, log_out
from tests.integration.finality.harness.people import Session
from tests.pods.connections import Answer, Connection, Request
from tests.pods.database import rows
from tests.pods.pod import Pod, Shared, wait_for

CHANGE_PASSWORD = (
    "UPDATE users SET token_epoch = token_epoch + 1 WHERE id = %s",
    "UPDATE sessions SET epoch = epoch + 1 WHERE id = %s",
)
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
def client(whole: list[Pod]) -> Iterator[Client]:
    with client_of(whole) as client:
        yield client


@contextmanager
def password_change_under_way(shared: Shared, session: Session) -> Iterator[None]:
    """The statements of a password change by `session`, committed at the end of the block."""
    with psycopg2.connect(shared.postgres.url(shared.database)) as connection, connection.cursor() as cursor:
        cursor.execute(CHANGE_PASSWORD[0], (session.person.id,))
        cursor.execute(CHANGE_PASSWORD[1], (session.id,))
        yield
    connection.close()


def during_password_change(request: Request, session: Session, pod: Pod, shared: Shared) -> Answer:
    """The response to `request`, which waits for the change to be committed."""
    connection = Connection(pod.name, pod.port)
    with ThreadPoolExecutor(1) as executor:
        with password_change_under_way(shared, session):
            asked = executor.submit(connection.send, request)
            wait_for(lambda: rows(shared, WAITING)[0][0] == 1, "the request waits for a row")
        asked.result()
    connection.close()
    return asked.result()


def test_refresh_succeeds_after_waiting_for_its_own_password_change(
    client: Client, whole: list[Pod], shared: Shared
) -> None:
    session = client.log_in()
    refresh = Request("POST", "/api/v1/auth/refresh", {"refresh_token": session.refresh_tokens[-1]})
    assert during_password_change(refresh, session, whole[0], shared).status == 200


def test_logout_everywhere_ends_its_session_after_its_own_password_change(
    client: Client, whole: list[Pod], shared: Shared
) -> None:
    session = client.log_in()
    assert client.statuses(session) == {200}
    assert during_password_change(log_out(session, "all"), session, whole[0], shared).status == 204
    assert client.statuses(session) == {401}


def test_logout_everywhere_by_an_ended_session_is_refused(client: Client) -> None:
    """Other sessions may be live, such as the one that changed the password."""
    staying, ended = client.log_in(), client.log_in()
    connection = client.connections.all()[0]
    body = {"current": client.person.secrets[0], "new": client.person.new_secret()}
    assert connection.send(Request("POST", "/api/v1/auth/password", body, staying.token)).status == 204
    assert connection.send(log_out(ended, "all")).status == 401
    assert client.statuses(staying) == {200}


def test_logout_everywhere_can_be_repeated_with_its_token(client: Client) -> None:
    session = client.log_in()
    answers = [each.send(log_out(session, "all")).status for each in client.connections.all()]
    assert set(answers) == {204}


@pytest.mark.parametrize("scope", ["all", ""])
def test_repeated_logout_everywhere_after_a_login_is_refused(client: Client, scope: str) -> None:
    """The session has ended and must not end one that was opened later."""
    session = client.log_in()
    connection = client.connections.all()[0]
    assert connection.send(log_out(session, scope)).status == 204
    later = client.log_in()
    assert {each.send(log_out(session, "all")).status for each in client.connections.all()} == {401}
    assert client.statuses(later) == {200}
    assert connection.send(log_out(later)).status == 204
    assert connection.send(log_out(session, "all")).status == 204


def test_logout_everywhere_publishes_an_unpublished_end(client: Client, shared: Shared) -> None:
    """Like a retry after a first attempt that was stored but not final, without its audit row."""
    session = client.log_in()
    assert client.statuses(session) == {200}
    rows(shared, "UPDATE users SET token_epoch = token_epoch + 1 WHERE id = %s RETURNING id", client.person.id)
    rows(shared, "DELETE FROM audit_log WHERE user_id = %s RETURNING id", client.person.id)
    assert client.connections.all()[0].send(log_out(session, "all")).status == 204
    assert client.statuses(session) == {401}
