"""Mails about applications: to the candidate, and to members of the company."""

from tests.integration.accounts.conftest import Mailed
from tests.integration.api.companies import make_company

OFFER = {"title": "Nurse at night", "description": "<p>You care.</p>", "language": "en", "state": "open"}
WAITING = """
DELETE FROM procrastinate_jobs WHERE task_name = 'applications.tell_company' AND status = 'todo'
RETURNING scheduled_at > now() + interval '50 minutes'
"""


def test_both_sides_are_told_of_applications(mailed: Mailed) -> None:
    owner, candidate, second = mailed.verified(), mailed.verified(), mailed.verified()
    company = make_company(owner)
    job = owner.send("POST", f"companies/{company['id']}/jobs", json=OFFER).json()["id"]
    assert second.send("PATCH", "users/me/settings", json={"language": "de"}).status_code == 200
    assert candidate.send("POST", f"jobs/{job}/applications", json={}).status_code == 201
    arrived = mailed.wait(candidate.email, "Your application for Nurse at night")
    assert "has arrived at Acme GmbH" in arrived.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    told = mailed.wait(owner.email, "New applications for Nurse at night")
    assert candidate.email not in told.as_string()
    path = f"applications/{second.send('POST', f'jobs/{job}/applications', json={}).json()['id']}"
    assert mailed.wait(second.email, "Ihre Bewerbung als Nurse at night")
    for stage in ("reviewed", "interview"):
        assert owner.send("PATCH", path, json={"stage": stage}).status_code == 200
    news = mailed.wait(second.email, "Neues zu Ihrer Bewerbung")
    assert "Einladung zum" in news.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert mailed.api.query(WAITING, ()) == [(True,)]
    mailed.quiet()
    assert len(mailed.to(second.email, "Neues zu")) == len(mailed.to(owner.email, "New applications")) == 1


def test_unproven_address_may_not_apply(mailed: Mailed) -> None:
    owner, stranger = mailed.verified(), mailed.api.person()
    company = make_company(owner)
    job = owner.send("POST", f"companies/{company['id']}/jobs", json=OFFER).json()["id"]
    refused = stranger.send("POST", f"jobs/{job}/applications", json={})
    assert (refused.status_code, refused.json()["code"]) == (403, "unverified")
