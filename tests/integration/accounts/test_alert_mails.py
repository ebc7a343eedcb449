"""Alerts from the opening of a posting to the mail and back: the real matcher, digests, SMTP and one-click end."""

import re
from typing import Any

import pytest
import requests

from app.local.process import becomes_true
from tests.api_client import Person
from tests.integration.accounts.conftest import Mailed
from tests.integration.api.companies import make_company
from tests.integration.api.graphql_client import ask

OFFER = {"title": "Glass blower", "description": "<p>You blow.</p>", "language": "en", "state": "open"}
ALERT = {"name": "Glass", "query": "q=glass+blower&lang=en", "frequency": "instant"}
HURRY = "UPDATE alert_account SET due_at = now(), mailed_at = NULL WHERE user_id = %s RETURNING 1"
BEHIND = """
SELECT EXISTS (SELECT FROM event e, alert_position p WHERE (e.era, e.xid, e.id) > (p.era, p.xid, p.id)
                  AND e.xid < pg_snapshot_xmin(pg_current_snapshot()))
       OR EXISTS (SELECT FROM alert_account WHERE due_at <= now())
"""
SAVE = "mutation($input: NewSavedSearchInput!) { saveSearch(input: $input) { id } }"
ONE_CLICK = "List-Unsubscribe=One-Click"


@pytest.fixture
def owner(mailed: Mailed) -> Person:
    return mailed.verified()


def offer(owner: Person, company: int, **more: Any) -> int:
    made = owner.send("POST", f"companies/{company}/jobs", json=OFFER | more)
    assert made.status_code == 201, made.text
    return int(made.json()["id"])


def settled(mailed: Mailed) -> None:
    """Wait until everything is matched, every digest is made, and every mail is sent."""
    assert becomes_true(lambda: mailed.api.query(BEHIND, ()) == [(False,)], 30.0), "alerts are left"
    mailed.quiet()


def told(person: Person, search: int, job: int) -> dict[str, Any]:
    answer = person.get(f"saved-searches/{search}/explain?job_id={job}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["alert"]
    return found


def test_opened_posting_is_mailed_once_and_one_click_ends_it(mailed: Mailed, owner: Person) -> None:
    person, company = mailed.verified(), make_company(owner)["id"]
    before = offer(owner, company)
    settled(mailed)
    search = person.send("POST", "saved-searches", json=ALERT).json()
    assert search["frequency"] == "instant"
    job = offer(owner, company, title="Glass blower at night")
    mail = mailed.wait(person.email, "New jobs: Glass")
    text = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert "Glass blower at night · Acme GmbH" in text
    settled(mailed)
    alert = told(person, search["id"], job)
    assert (alert["outcome"], alert["reason"]) == ("sent", None)
    assert all(alert[name] for name in ("matched_at", "digest_id", "digest_at", "sent_at"))
    assert told(person, search["id"], before)["outcome"] == "no_match"
    second = offer(owner, company, title="Glass blower by day")
    settled(mailed)
    assert told(person, search["id"], second)["outcome"] == "due"
    (url,) = re.findall("<(.+)>", mail["List-Unsubscribe"])
    assert mail["List-Unsubscribe-Post"] == ONE_CLICK
    url = url.replace("https://jobs.example", mailed.api.url)
    page = requests.get(url, timeout=30)
    assert (page.status_code, "Stop the alerts" in page.text) == (200, True)
    assert person.get(f"saved-searches/{search['id']}").json()["frequency"] == "instant"
    for sent in ({"data": ONE_CLICK, "headers": {"Content-Type": "application/x-www-form-urlencoded"}}, {
        "files": {"List-Unsubscribe": (None, "One-Click")}
    }):  # fmt: skip
        answer = requests.post(url, timeout=30, **sent)
        assert (answer.status_code, "Your searches stay saved" in answer.text) == (200, True)
    assert person.get(f"saved-searches/{search['id']}").json()["frequency"] == "off"
    mailed.api.query(HURRY, (person.id,))
    settled(mailed)
    assert told(person, search["id"], second)["outcome"] == "off"
    assert len(mailed.to(person.email, "New jobs")) == 1


def test_alert_is_explained_while_it_is_off_earlier_or_no_longer_found(mailed: Mailed, owner: Person) -> None:
    person, company = mailed.verified(), make_company(owner)["id"]
    query = "q=cartwright&lang=en"
    path = "saved-searches"
    search = person.send("POST", path, json=ALERT | {"query": query, "frequency": "daily"}).json()["id"]
    first, second = (offer(owner, company, title=f"Cartwright {number}") for number in ("one", "two"))
    settled(mailed)
    assert told(person, search, first)["outcome"] == "due"
    mailed.api.query("UPDATE users SET disabled_at = NULL WHERE id = %s RETURNING 1", (person.id,))
    closed = owner.send("PATCH", f"jobs/{second}", json={"state": "closed"})
    assert closed.status_code == 200
    due = "UPDATE saved_search SET due_at = now() WHERE id = %s RETURNING 1"
    mailed.api.query(due, (search,))
    mailed.api.query(HURRY, (person.id,))
    mailed.wait(person.email, "New jobs")
    settled(mailed)
    assert owner.send("PATCH", f"jobs/{first}", json={"state": "closed"}).status_code == 200
    assert [told(person, search, job)["outcome"] for job in (first, second)] == ["sent", "not_found"]
    assert owner.send("PATCH", f"jobs/{second}", json={"title": "Painter", "state": "open"}).status_code == 200
    settled(mailed)
    assert told(person, search, second)["outcome"] == "not_found"
    third = offer(owner, company, title="Cartwright three")
    settled(mailed)
    for frequency in ("off", "weekly"):
        assert person.send("PATCH", f"{path}/{search}", json={"frequency": frequency}).status_code == 200
        settled(mailed)
        assert told(person, search, third)["outcome"] == {"off": "off", "weekly": "earlier"}[frequency]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"query": "workplace=remote"}, 422, "too_broad"),
        ({"query": "q=-day+OR+-night&near=85,0&radius_km=60"}, 422, "too_broad"),
        ({"query": "q=nurse", "frequency": "hourly"}, 422, "invalid"),
    ],
)
def test_search_that_cannot_alert_is_refused(mailed: Mailed, body: dict[str, Any], status: int, code: str) -> None:
    person = mailed.verified()
    answer = person.send("POST", "saved-searches", json=ALERT | body)
    assert (answer.status_code, answer.json()["fields"][0]["code"]) == (status, code)
    asked = ask(mailed.api, SAVE, person, variables={"input": ALERT | body}).json()["errors"][0]["extensions"]
    assert (asked["status"], asked.get("fields", [{"code": "invalid"}])[0]["code"]) == (status, code)
    saved = person.send("POST", "saved-searches", json=ALERT).json()["id"]
    assert person.send("PATCH", f"saved-searches/{saved}", json=body).status_code == status


def test_token_of_one_search_ends_no_other(mailed: Mailed, owner: Person) -> None:
    person, other, company = mailed.verified(), mailed.verified(), make_company(owner)["id"]
    queries = ("q=fletcher&lang=en", "q=cooper&lang=en")
    mine = [person.send("POST", "saved-searches", json=ALERT | {"query": query}).json() for query in queries]
    theirs = other.send("POST", "saved-searches", json=ALERT | {"query": queries[0]}).json()
    offer(owner, company, title="Fletcher")
    token = mailed.wait(person.email, "New jobs")["List-Unsubscribe"].partition("token=")[2].rstrip(">")
    forged = ("A" if token[0] != "A" else "B") + token[1:]
    statuses = [mailed.api.post("saved-searches/unsubscribe", {"token": each}).status_code for each in (forged, token)]
    assert statuses == [404, 204]
    frequencies = [each["frequency"] for each in person.get("saved-searches").json()["saved_searches"]]
    assert frequencies == ["off", "instant"], mine
    assert other.get(f"saved-searches/{theirs['id']}").json()["frequency"] == "instant"
