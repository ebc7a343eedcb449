"""Outages of PostgreSQL: 503 within the timeout, and recovery without intervention."""

from collections.abc import Iterator

import pytest

from app.local.postgres import Postgres
from tests.integration.finality.harness.clients import Client, client_of, in_flight, log_out
from tests.pods.connections import LIVE, Connection, Request
from tests.pods.pod import Pod, wait_for

WAITING = 100
PATIENCE_S = 20.0
"""Above the service's timeout of 8 s, so that only a request without a timeout exceeds it."""


@pytest.fixture
def client(whole: list[Pod]) -> Iterator[Client]:
    with client_of(whole) as client:
        yield client


@pytest.fixture
def guarded(postgres: Postgres) -> Iterator[Postgres]:
    """PostgreSQL; started or resumed again at the end."""
    yield postgres
    if postgres.process is not None and postgres.process.alive:
        postgres.resume()
    else:
        postgres.start()


@pytest.mark.parametrize("outage", ["paused", "killed", "stopped"])
def test_requests_get_503_during_an_outage_and_succeed_afterwards(
    client: Client, whole: list[Pod], guarded: Postgres, outage: str
) -> None:
    """More concurrent requests than the pools have connections; a hung request fails its client's timeout."""
    session = client.log_in()
    assert client.statuses(session) == {200}
    {"paused": guarded.pause, "killed": guarded.kill, "stopped": guarded.stop}[outage]()
    body = {"email": client.person.email, "password": client.person.secrets[0]}
    login = Request("POST", "/api/v1/auth/login", body)
    requests = [login] * WAITING + [log_out(session)]
    with in_flight([(Connection(pod.name, pod.port, PATIENCE_S), each) for pod in whole for each in requests]) as asked:
        for pod in whole:
            assert pod.ask(Request("GET", LIVE)).status == 200
            wait_for(lambda pod=pod: pod.health() == "unavailable", "health says unavailable")  # type: ignore[misc]
    assert {each.result().status for each in asked} == {503}
    assert all("retry-after" in each.result().headers for each in asked)

    guarded.resume() if outage == "paused" else guarded.start()
    for pod in whole:
        pod.wait_until_ok()
        wait_for(lambda pod=pod: pod.ask(login).status == 200, "a login succeeds")  # type: ignore[misc]
    assert client.connections.all()[0].send(log_out(session)).status == 204
    assert client.statuses(session) == {401}
