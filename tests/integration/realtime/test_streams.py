"""Events over WebSocket and SSE: what is sent to whom, resuming, and the end of sessions."""

import re
import signal

import pytest
import requests
from websockets.exceptions import InvalidStatus

from tests.api_client import Api, Person
from tests.integration.api.companies import staffed_company
from tests.integration.realtime.gateways import Gateway

OFFER = {"title": "Nurse", "description": "<p>You care.</p>", "language": "en", "state": "open"}


def rename(person: Person, name: str = "Ada L.") -> None:
    assert person.send("PATCH", "users/me", json={"name": name}).status_code == 200


@pytest.mark.parametrize("wire", ["socket", "stream"])
def test_profile_change_is_sent_to_every_session(gateway: Gateway, person: Person, wire: str) -> None:
    with getattr(gateway, wire)(person) as one, getattr(gateway, wire)(person.elsewhere()) as other:
        rename(person)
        for each in (one, other):
            (event,) = each.events(1)
            assert event["type"] == "account.profile_changed"
            assert event["data"] == {"version": 2}
            assert event["id"]
            assert event["at"].endswith("Z")


def test_events_are_sent_to_their_account_only(gateway: Gateway, api: Api, person: Person) -> None:
    with gateway.socket(api.person()) as other, gateway.socket(person) as mine:
        rename(person)
        assert mine.events(1)[0]["type"] == "account.profile_changed"
        rename(person)
        mine.events(1)
        other.connection.close()
        assert other.rest()[0] == []


def test_application_is_told_to_candidate_and_members(gateway: Gateway, api: Api, person: Person) -> None:
    company = staffed_company(api)
    made = company.owner.send("POST", f"companies/{company.id}/jobs", json=OFFER)
    assert made.status_code == 201, made.text
    job = made.json()["id"]
    with gateway.socket(person) as candidate, gateway.socket(company.recruiter) as member:
        sent = person.send("POST", f"jobs/{job}/applications", json={"letter": "Hello"})
        assert sent.status_code == 201, sent.text
        said = {"application_id": sent.json()["id"], "job_id": job, "stage": "submitted"}
        assert [(each["type"], each["data"]) for each in member.events(1)] == [("applications.submitted", said)]
        assert [(each["type"], each["data"]) for each in candidate.events(1)] == [("applications.stage_changed", said)]
        moved = company.owner.send("PATCH", f"applications/{said['application_id']}", json={"stage": "interview"})
        assert moved.status_code == 200, moved.text
        for each in (candidate, member):
            assert each.events(1)[0]["data"] == said | {"stage": "interview"}


def test_end_of_another_session_is_told(gateway: Gateway, person: Person) -> None:
    other = person.elsewhere()
    with gateway.socket(person) as mine:
        assert other.send("POST", "auth/logout").status_code == 204
        (event,) = mine.events(1)
        assert event["type"] == "account.session_ended"


def test_password_change_ends_other_sessions(gateway: Gateway, person: Person) -> None:
    with gateway.socket(person) as mine, gateway.socket(person.elsewhere()) as other:
        change = {"current": "a long walk in the rain", "new": "a longer walk in the rain"}
        assert person.send("POST", "auth/password", json=change).status_code == 204
        assert mine.events(1)[0]["type"] == "account.password_changed"
        assert other.rest()[1] == 4401


@pytest.mark.parametrize("end", ["auth/logout", "auth/logout?everywhere=true"])
def test_nothing_is_sent_after_logout(gateway: Gateway, person: Person, end: str) -> None:
    with gateway.socket(person) as socket, gateway.stream(person) as stream:
        assert stream.next()["type"] == "ready"
        assert person.send("POST", end).status_code == 204
        again = person.elsewhere()
        rename(again)
        events, code = socket.rest()
        assert code == 4401
        assert [each["type"] for each in events if each["type"] == "account.profile_changed"] == []
        *events, last = stream.rest()
        assert last == {"type": "closing", "data": {"code": 4401, "reason": "the session has ended"}}
        assert [each["type"] for each in events if each["type"] == "account.profile_changed"] == []


def test_ended_session_is_refused(gateway: Gateway, person: Person) -> None:
    assert person.send("POST", "auth/logout").status_code == 204
    answer = gateway.stream(person).answer
    assert answer.status_code == 401
    assert answer.json()["code"] == "invalid_token"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    with gateway.socket() as socket:
        socket.say(person.token)
        assert socket.rest() == ([], 4401)


@pytest.mark.parametrize("token", ["", "nonsense"])
def test_bad_token_is_refused(gateway: Gateway, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    assert requests.get(f"{gateway.url}/api/v1/realtime/events", headers=headers, timeout=5).status_code == 401
    with gateway.socket() as socket:
        socket.say(token)
        assert socket.rest() == ([], 4401)


def test_token_in_the_url_is_refused(gateway: Gateway, person: Person) -> None:
    url = f"{gateway.url}/api/v1/realtime/events?access_token={person.token}"
    assert requests.get(url, timeout=5).status_code == 400


def test_header_authenticates_a_websocket(gateway: Gateway, person: Person) -> None:
    with gateway.socket(additional_headers={"Authorization": f"Bearer {person.token}"}) as socket:
        assert socket.next()["type"] == "ready"
        rename(person)
        assert socket.events(1)


@pytest.mark.parametrize(("origin", "allowed"), [("https://www.example", True), ("https://evil.example", False)])
def test_origin_must_be_allowed(gateway: Gateway, person: Person, origin: str, allowed: bool) -> None:
    headers = {"Authorization": f"Bearer {person.token}", "Origin": origin}
    url = f"{gateway.url}/api/v1/realtime/events"
    with requests.get(url, headers=headers, stream=True, timeout=5) as answer:
        assert answer.status_code == (200 if allowed else 403)
        assert answer.headers.get("Access-Control-Allow-Origin") == (origin if allowed else None)
    if allowed:
        gateway.socket(person, origin=origin).connection.close()
        preflight = {"Origin": origin, "Access-Control-Request-Method": "GET"}
        assert (
            "Authorization"
            in requests.options(url, headers=preflight, timeout=5).headers["Access-Control-Allow-Headers"]
        )
    else:
        with pytest.raises(InvalidStatus):
            gateway.socket(person, origin=origin)


def test_renewed_token_is_taken(gateway: Gateway, api: Api, person: Person) -> None:
    with gateway.socket(person) as socket:
        assert person.refresh().status_code == 200
        socket.say(person.token)
        assert socket.next()["type"] == "renewed"
        socket.say(person.elsewhere().token)
        assert socket.rest()[1] == 4401


@pytest.mark.parametrize("wire", ["socket", "stream"])
def test_resume_loses_and_repeats_nothing(gateway: Gateway, person: Person, wire: str) -> None:
    with getattr(gateway, wire)(person) as first:
        rename(person)
        first.events(1)
    for _ in range(3):
        rename(person)
    with getattr(gateway, wire)(person, first.last) as second:
        rename(person)
        assert [each["data"]["version"] for each in second.events(4)] == [3, 4, 5, 6]
    with getattr(gateway, wire)(person, second.last) as third:
        rename(person)
        assert third.events(1)[0]["data"] == {"version": 7}


@pytest.mark.parametrize("resume", ["nonsense", "00000000-1-1-1", "future", "floor"])
def test_unknown_position_is_told_to_resync(gateway: Gateway, person: Person, resume: str) -> None:
    with gateway.socket(person) as socket:
        era, number, xid, _ = socket.last.split("-")
    known = {"future": f"{era}-{number}-{int(xid) + 10**9}-0", "floor": f"{era}-0-0-0"}
    if resume == "floor":
        person.api.query("UPDATE stream_floor SET era = 0, xid = '1' RETURNING era", ())
    with gateway.socket(person, known.get(resume, resume)) as socket:
        assert socket.next()["type"] == "resync"
        rename(person)
        assert socket.events(1)[0]["type"] == "account.profile_changed"


def test_message_that_is_not_known_closes(gateway: Gateway, person: Person) -> None:
    for text, code in (('{"type": "subscribe"}', 1008), ("[" * 9000, 1008), (b"\xff", 1003), ("x" * 20_000, 1009)):
        with gateway.socket(person) as socket:
            socket.connection.send(text)
            assert socket.rest() == ([], code)


def test_one_account_has_a_limited_number_of_connections(gateway: Gateway, person: Person) -> None:
    opened = [gateway.socket(person) for _ in range(3)]
    assert gateway.stream(person).answer.status_code == 429
    with gateway.socket() as socket:
        socket.say(person.token)
        assert socket.rest() == ([], 1008)
    for each in opened:
        each.connection.close()


def test_stopping_gateway_tells_clients_to_reconnect(
    api: Api, person: Person, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with Gateway(tmp_path_factory.mktemp("stopping"), api.variables) as gateway:
        sockets = [gateway.socket(person) for _ in range(3)]
        assert gateway.process is not None
        gateway.process.send(signal.SIGTERM)
        assert [socket.rest()[1] for socket in sockets] == [1012] * 3


def test_metrics_and_probes_are_answered(gateway: Gateway, person: Person) -> None:
    with gateway.socket(person):
        assert "jobfinder_realtime_streams 1.0" in gateway.metrics()
    assert requests.get(f"{gateway.url}/health/live", timeout=5).status_code == 200
    assert requests.get(f"{gateway.url}/elsewhere", timeout=5).status_code == 404


def test_refusals_are_counted_by_status(gateway: Gateway) -> None:
    def refused() -> float:
        [number] = re.findall(r'^jobfinder_realtime_refused_total{code="401"} (\S+)', gateway.metrics(), re.MULTILINE)
        return float(number)

    before = refused()
    assert requests.get(f"{gateway.url}/api/v1/realtime/events", timeout=5).status_code == 401
    with gateway.socket() as unknown:
        unknown.connection.send('{"type": "authenticate", "token": "wrong"}')
        assert unknown.rest()[1] == 4401
    assert refused() == before + 2
