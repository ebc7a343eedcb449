"""Mails about applications: to the candidate, and to members of the company."""

from app.local.process import becomes_true
from tests.integration.accounts.conftest import Mailed
from tests.integration.api.companies import make_company

OFFER = {"title": "Nurse at night", "description": "<p>You care.</p>", "language": "en", "state": "open"}
WAITING = """
DELETE FROM procrastinate_jobs WHERE task_name = 'applications.tell_company' AND status = 'todo'
RETURNING scheduled_at > now() + interval '50 minutes'
"""

OF_APPLICATION = """
task_name = 'applications.tell_stage' AND status = 'todo' AND args = jsonb_build_object('application', %s::bigint)
"""
DELAYED = f"SELECT id, scheduled_at > now() + interval '50 minutes' FROM procrastinate_jobs WHERE {OF_APPLICATION}"
START = f"UPDATE procrastinate_jobs SET scheduled_at = now() WHERE {OF_APPLICATION}"
HOUR_LATER = f"""
WITH told AS (UPDATE application SET told_at = told_at - interval '1 hour' WHERE id = %s) {START}
"""
REPEAT = "SELECT enqueue_task('applications.tell_stage', jsonb_build_object('application', %s::bigint), NULL, 0, 10)"


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


def told_stages(mailed: Mailed, email: str) -> list[str]:
    """The stages that mails to a candidate name, the first mail first."""
    mails = mailed.to(email, "News of your application")
    texts = [mail.get_body(("plain",)).get_content() for mail in mails]  # type: ignore[union-attr]
    return [text.partition("is now: ")[2].partition(".")[0] for text in texts]


def test_candidate_is_told_once_an_hour_of_the_stage_as_it_is_then(mailed: Mailed) -> None:
    owner, candidate = mailed.verified(), mailed.verified()
    company = make_company(owner)
    job = owner.send("POST", f"companies/{company['id']}/jobs", json=OFFER).json()["id"]
    application = candidate.send("POST", f"jobs/{job}/applications", json={}).json()["id"]

    def move(*stages: str) -> None:
        for stage in stages:
            assert owner.send("PATCH", f"applications/{application}", json={"stage": stage}).status_code == 200

    def delayed() -> int:
        ((task, late),) = mailed.api.query(DELAYED, (application,))
        assert late
        return int(task)

    def told() -> list[str]:
        mailed.quiet()
        return told_stages(mailed, candidate.email)

    move("interview")
    assert told() == ["invitation to an interview"]
    move("offered", "interview", "offered", "interview")
    delayed()
    mailed.api.query(HOUR_LATER, (application, application))
    assert told() == ["invitation to an interview"]
    move("offered")
    assert told() == ["invitation to an interview", "an offer"]
    move("interview", "reviewed", "hired")
    early = delayed()
    mailed.api.query(START, (application,))

    def delayed_again() -> bool:
        return [late for task, late in mailed.api.query(DELAYED, (application,)) if task > early] == [True]

    assert becomes_true(delayed_again, 30.0)
    mailed.api.query(HOUR_LATER, (application, application))
    assert told() == ["invitation to an interview", "an offer", "hired"]
    mailed.api.query(REPEAT, (application,))
    assert told() == ["invitation to an interview", "an offer", "hired"]


def test_unproven_address_may_not_apply(mailed: Mailed) -> None:
    owner, stranger = mailed.verified(), mailed.api.person()
    company = make_company(owner)
    job = owner.send("POST", f"companies/{company['id']}/jobs", json=OFFER).json()["id"]
    refused = stranger.send("POST", f"jobs/{job}/applications", json={})
    assert (refused.status_code, refused.json()["code"]) == (403, "unverified")
