"""A pod whose change log differs from the database's record: without memcached, or with another server 0."""

from collections.abc import Iterator

import pytest

from app.coherence.log.change_log import ChangeLog
from app.coherence.log.store import NO_LOG, LogRecord
from app.coherence.replace_log import replace_log
from app.config import DatabaseTuning
from app.infra.memcache.client import Server
from app.infra.postgres.database import Database
from app.local.memcached import Memcached
from tests.integration.finality.harness.clients import ME, Client, client_of, log_out
from tests.pods.connections import Answer, Request
from tests.pods.pod import KINDS, Pod, Shared, Stranger, wait_for

READY = Request("GET", "/api/v1/health/ready")


@pytest.fixture
def client(whole: list[Pod]) -> Iterator[Client]:
    with client_of(whole) as client:
        yield client


@pytest.fixture
def record(whole: list[Pod], shared: Shared, cache_servers: list[Memcached]) -> Iterator[LogRecord]:
    """The record of the log; restored at the end, so that the pods agree with it again."""
    database = Database(shared.postgres.url(shared.database), DatabaseTuning(pool_min=1, pool_max=1))
    yield LogRecord(database)
    LogRecord(database).replace(cache_servers[0].address)
    database.close()
    for pod in whole:
        pod.wait_until_ok()


def refused(pod: Pod) -> bool:
    answers = pod.ask_every_worker(READY)
    return len(answers) == 2 and all(each.status == 503 and "log of changes" in each.body["detail"] for each in answers)


def writes(client: Client, pod: Pod, token: str) -> dict[str, Answer]:
    """The responses of `pod` to every kind of write."""
    person = client.person
    password = {"current": person.secrets[0], "new": "another walk in the rain"}
    login = {"email": person.email, "password": person.secrets[0]}
    requests = {
        "log out": Request("POST", "/api/v1/auth/logout", token=token),
        "log out everywhere": Request("POST", "/api/v1/auth/logout?scope=all", token=token),
        "end a session": Request("DELETE", "/api/v1/auth/sessions/1", token=token),
        "edit": Request("PATCH", ME, {"headline": "at a stranger"}, token),
        "change the password": Request("POST", "/api/v1/auth/password", password, token),
        "delete": Request("DELETE", ME, {"password": person.secrets[0]}, token),
        "log in": Request("POST", "/api/v1/auth/login", login),
        "register": Request("POST", "/api/v1/auth/register", {**login, "email": "x@example.com", "name": "X"}),
        "refresh": Request("POST", "/api/v1/auth/refresh", {"refresh_token": "x"}),
    }
    return {what: pod.ask(request) for what, request in requests.items()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("servers", [[], [1, 0]], ids=["none", "another"])
def test_pod_with_another_log_refuses_writes_and_ended_tokens(
    client: Client, whole: list[Pod], shared: Shared, cache_servers: list[Memcached], servers: list[int], kind: str
) -> None:
    staying, leaving = client.log_in(), client.log_in()
    assert client.statuses(leaving) == {200}
    with Stranger("stranger", shared, [cache_servers[each] for each in servers], kind=kind, workers=2) as stranger:
        with client_of([*whole, stranger]) as everywhere:
            assert everywhere.statuses(leaving) == {200}
            answers = writes(client, stranger, leaving.token)
            assert {(each.status, each.code) for each in answers.values()} == {(503, "wrong_log")}, answers
            assert all(int(each.headers["retry-after"]) > 0 for each in answers.values())
            assert everywhere.statuses(leaving) == {200}, "the refused writes had no effect"
            assert whole[0].ask(log_out(leaving)).status == 204
            assert everywhere.statuses(leaving) == {401}
            assert everywhere.statuses(staying) == {200}
        said = stranger.log.read_text()
        assert "refusing to write: this process has the log of changes" in said


def test_pods_follow_a_changed_record_without_restart(
    client: Client, whole: list[Pod], shared: Shared, cache_servers: list[Memcached], record: LogRecord
) -> None:
    session, other = client.log_in(), client.log_in()
    assert client.statuses(session) == client.statuses(other) == {200}
    with Stranger("stranger", shared, [], kind=KINDS[0], workers=2) as stranger:
        replace_log(record, NO_LOG, lambda address: ChangeLog(Server(address, 0.5)))
        with client_of([*whole, stranger]) as everywhere:
            wait_for(lambda: stranger.every_worker_answers(READY, 200), "the pod without a log works beside the others")
            assert everywhere.statuses(session) == {200}
            assert stranger.ask(log_out(session)).status == 204
            assert everywhere.statuses(session) == {401}

            record.replace(NO_LOG)
            for pod in whole:
                wait_for(lambda pod=pod: refused(pod), "the pods with a log are refused")  # type: ignore[misc]
            wait_for(lambda: stranger.every_worker_answers(READY, 200), "the pod without a log agrees with the record")
            assert stranger.ask(log_out(other)).status == 204
            assert everywhere.statuses(other) == {401}
