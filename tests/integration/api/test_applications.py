"""Applications: one for each candidate and job, repeatable requests, answers, stages, notes and pages."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from app.applications.repeats.store import KEYS_MAX, PRUNE
from app.applications.service import DAY_MAX
from app.applications.store import NOTES_MAX, STEPS_MAX
from tests.api_client import Api, Person
from tests.integration.api.companies import TestCompany, staffed_company

OFFER = {"title": "Nurse", "description": "<p>You care.</p>", "language": "en", "state": "open"}
QUESTIONS = [{"text": "When can you begin?", "required": True}, {"text": "Do you drive?"}]


@pytest.fixture(scope="module")
def company(api: Api) -> TestCompany:
    return staffed_company(api)


def offer(company: TestCompany, **said: Any) -> int:
    answer = company.owner.send("POST", f"companies/{company.id}/jobs", json=OFFER | said)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def apply(person: Person, job: int, key: str | None = None, **said: Any) -> requests.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return person.send("POST", f"jobs/{job}/applications", headers, json=said)


def applied(person: Person, job: int) -> int:
    answer = apply(person, job)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def patch(person: Person, application: int, headers: dict[str, str] | None = None, **said: Any) -> requests.Response:
    return person.send("PATCH", f"applications/{application}", headers, json=said)


def problem(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_fifty_parallel_applications_make_one(api: Api, company: TestCompany, person: Person) -> None:
    job = offer(company)

    def send(number: int) -> requests.Response:
        own = Person(api.fresh(), person.id, person.email)
        own.token = person.token
        return apply(own, job, key=f"key {number}".replace(" ", "-") if number % 2 else None, letter=f"No. {number}")

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(send, range(50)))
    assert sorted(each.status_code for each in answers) == [200] * 49 + [201], [each.text for each in answers]
    assert len({each.text for each in answers}) == 1
    assert len(company.owner.get(f"jobs/{job}/applications").json()["applications"]) == 1
    steps = "SELECT count(*) FROM application_step WHERE application_id = %s"
    assert api.query(steps, (answers[0].json()["id"],)) == [(1,)]


def test_candidate_sees_an_application_as_it_was_sent(company: TestCompany, person: Person) -> None:
    job = offer(company)
    answer = apply(person, job, letter="I care.\nA lot.")
    sent = answer.json()
    assert answer.headers["Location"] == f"/api/v1/applications/{sent['id']}"
    assert answer.headers["ETag"] == f'"{sent["id"]}-1"'
    assert (sent["stage"], sent["letter"], sent["answers"]) == ("submitted", "I care.\nA lot.", [])
    assert sent["job"]["company"]["id"] == company.id
    assert sent["candidate"] == {"id": person.id, "name": "Ada", "email": person.email}
    assert [(step["stage"], step["by"]) for step in sent["history"]] == [("submitted", "candidate")]
    assert person.get(f"applications/{sent['id']}").json() == sent
    assert "notes" not in sent
    brief = person.get("applications").json()["applications"]
    assert brief == [{name: sent[name] for name in brief[0]}]


def test_repeated_request_with_a_key_gets_the_first_answer(api: Api, company: TestCompany, person: Person) -> None:
    job = offer(company)
    first = apply(person, job, "a", letter="Hello")
    again = apply(person, job, "a", letter="Hello")
    assert first.status_code == again.status_code == 201
    assert (first.text, first.headers["ETag"]) == (again.text, again.headers["ETag"])
    assert patch(company.owner, first.json()["id"], stage="reviewed").status_code == 200
    assert apply(person, job, "a", letter="Hello").text == first.text
    assert apply(person, job, "b", letter="Hello").json()["stage"] == "reviewed"
    assert problem(apply(person, job, "a", letter="Goodbye")) == (422, "idempotency_key_reused")
    assert problem(apply(person, offer(company), "a", letter="Hello")) == (422, "idempotency_key_reused")
    assert apply(api.person(), job, "a", letter="Other").status_code == 201
    assert problem(apply(person, job, "ä")) == (400, "bad_request")


def test_parallel_requests_with_one_key_get_one_answer(api: Api, company: TestCompany, person: Person) -> None:
    job = offer(company)

    def send(_: int) -> requests.Response:
        own = Person(api.fresh(), person.id, person.email)
        own.token = person.token
        return apply(own, job, "parallel", letter="Hello")

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(send, range(10)))
    assert {(each.status_code, each.text) for each in answers} == {(201, answers[0].text)}


def test_a_key_is_free_again_after_a_day(api: Api, company: TestCompany, person: Person) -> None:
    first = apply(person, offer(company), "daily")
    old = "UPDATE repeatable_request SET created_at = now() - interval '25 hours' WHERE user_id = %s RETURNING 1"
    assert api.query(old, (person.id,)) == [(1,)]
    assert ("daily",) in api.query(f"{PRUNE} RETURNING key", ())
    second = apply(person, offer(company), "daily")
    assert second.status_code == 201
    assert first.json()["id"] != second.json()["id"]


def test_keys_for_an_existing_application_keep_no_copies_of_it(
    api: Api, company: TestCompany, person: Person
) -> None:  # fmt: skip
    job = offer(company)
    application = apply(person, job, "new", letter="Hello").json()["id"]
    for _ in range(2):
        answer = apply(person, job, "existing")
        assert (answer.status_code, answer.json()["letter"]) == (200, "Hello")
    assert problem(apply(person, job, "existing", letter="Other")) == (422, "idempotency_key_reused")
    kept = "SELECT key, status, length(answer) > 0 FROM repeatable_request WHERE user_id = %s ORDER BY key"
    assert api.query(kept, (person.id,)) == [("existing", 200, False), ("new", 201, True)]
    assert patch(company.owner, application, stage="reviewed").status_code == 200
    assert apply(person, job, "existing").json()["stage"] == "reviewed"


def test_an_account_sends_so_many_keys_a_day(api: Api, company: TestCompany, person: Person) -> None:
    job = offer(company)
    first = apply(person, job, "first")
    many = """
        INSERT INTO repeatable_request (user_id, key, hash, status, answer, created_at)
        SELECT %s, 'key ' || number, '', 200, '', now() - make_interval(hours => %s)
          FROM generate_series(1, %s) AS number RETURNING 1
    """
    assert len(api.query(many, (person.id, 1, KEYS_MAX - 1))) == KEYS_MAX - 1
    refused = apply(person, job, "another")
    assert problem(refused) == (429, "rate_limited")
    assert 80_000 < int(refused.headers["Retry-After"]) <= 23 * 3600
    assert apply(person, job, "first").text == first.text
    assert apply(person, job).status_code == 200
    late = "UPDATE repeatable_request SET created_at = now() - interval '25 hours' WHERE user_id = %s RETURNING 1"
    assert len(api.query(late, (person.id,))) == KEYS_MAX
    assert apply(person, job, "another").status_code == 200


def test_refused_request_does_not_use_up_its_key(company: TestCompany, person: Person) -> None:
    job = offer(company, apply={"questions": QUESTIONS})
    assert apply(person, job, "once").status_code == 422
    answers = [{"question": "When can you begin?", "answer": "Now"}]
    assert apply(person, job, "once", answers=answers).status_code == 201


def test_answers_must_fit_the_questions(company: TestCompany, person: Person) -> None:
    job = offer(company, apply={"questions": QUESTIONS})
    drive, begin = {"question": "Do you drive?", "answer": "Yes"}, {"question": "When can you begin?", "answer": "Now"}
    strange = {"question": "When can you begim?", "answer": "Now"}
    refused = apply(person, job, answers=[drive, strange, drive])
    assert refused.status_code == 422
    assert [(each["field"], each["code"]) for each in refused.json()["fields"]] == [
        ("answers.1.question", "unknown"), ("answers.2.question", "repeated"), ("answers", "required"),
    ]  # fmt: skip
    assert refused.json()["fields"][0]["did_you_mean"] == "When can you begin?"
    assert apply(person, job, answers=[begin | {"answer": " "}]).status_code == 422
    made = apply(person, job, answers=[drive, begin])
    assert (made.status_code, made.json()["answers"]) == (201, [begin, drive])
    changed = company.owner.send("PATCH", f"jobs/{job}", json={"apply": {"questions": []}})
    assert changed.status_code == 200
    assert apply(person, job, answers=[drive]).json()["answers"] == [begin, drive]


def test_only_an_open_posting_that_takes_applications_is_applied_for(company: TestCompany, person: Person) -> None:
    closed, draft = offer(company), offer(company, state="draft")
    elsewhere = offer(company, apply={"kind": "url", "target": "https://acme.example/jobs"})
    before = applied(person, closed)
    assert company.owner.send("PATCH", f"jobs/{closed}", json={"state": "closed"}).status_code == 200
    assert problem(apply(company.owner, closed)) == problem(apply(company.owner, draft)) == (409, "not_open")
    assert problem(apply(person.api.person(), closed)) == (409, "not_open")
    assert problem(apply(person, draft)) == (404, "not_found")
    assert problem(apply(person, elsewhere)) == (409, "applies_elsewhere")
    repeated = apply(person, closed)
    assert (repeated.status_code, repeated.json()["id"]) == (200, before)


def test_members_move_an_application_and_its_history_tells(company: TestCompany, person: Person) -> None:
    application = applied(person, offer(company))
    assert patch(company.recruiter, application, stage="interview", note="Call her\non Monday.").status_code == 200
    assert patch(company.owner, application, stage="interview").json()["version"] == 2
    seen = patch(company.owner, application, stage="hired").json()
    assert [(step["stage"], step["by"], step["actor_id"]) for step in seen["history"]] == [
        ("submitted", "candidate", person.id),
        ("interview", "company", company.recruiter.id),
        ("hired", "company", company.owner.id),
    ]
    assert [(note["text"], note["author_id"]) for note in seen["notes"]] == [
        ("Call her\non Monday.", company.recruiter.id)
    ]
    own = person.get(f"applications/{application}").json()
    assert "notes" not in own
    assert [set(step) for step in own["history"]] == [{"stage", "at", "by"}] * 3
    assert problem(person.send("POST", f"applications/{application}/withdraw")) == (409, "wrong_stage")


MANY_NOTES = """
INSERT INTO application_note (application_id, text) SELECT %s, number::text FROM generate_series(1, %s) AS number
RETURNING 1
"""
MANY_STEPS = """
INSERT INTO application_step (application_id, stage, by_candidate) SELECT %s, 'reviewed', false
  FROM generate_series(1, %s) RETURNING 1
"""


def test_an_application_has_so_many_notes(api: Api, company: TestCompany, person: Person) -> None:
    application = applied(person, offer(company))
    api.query(MANY_NOTES, (application, NOTES_MAX - 1))
    seen = patch(company.owner, application, note="The last one").json()
    assert [len(seen["notes"]), seen["notes"][0]["text"], seen["notes"][-1]["text"]] == [NOTES_MAX, "1", "The last one"]
    assert problem(patch(company.owner, application, note="More", stage="reviewed")) == (409, "too_many_notes")
    assert patch(company.owner, application, stage="hired").json()["stage"] == "hired"
    api.query(MANY_NOTES, (application, 10))
    newest = company.owner.get(f"applications/{application}").json()["notes"]
    assert [len(newest), newest[0]["text"], newest[-1]["text"]] == [NOTES_MAX, "11", "10"]


def test_an_application_has_so_many_stages(api: Api, company: TestCompany, person: Person) -> None:
    application = applied(person, offer(company))
    api.query(MANY_STEPS, (application, STEPS_MAX - 3))
    assert len(patch(company.owner, application, stage="interview").json()["history"]) == STEPS_MAX - 1
    assert problem(patch(company.owner, application, stage="offered")) == (409, "too_many_stages")
    assert patch(company.owner, application, note="Call her", stage="interview").status_code == 200
    history = person.send("POST", f"applications/{application}/withdraw").json()["history"]
    assert [len(history), history[0]["stage"], history[-1]["stage"]] == [STEPS_MAX, "submitted", "withdrawn"]
    api.query(MANY_STEPS, (application, 1))
    assert len(person.get(f"applications/{application}").json()["history"]) == STEPS_MAX


def test_a_lost_update_of_an_application_is_refused(company: TestCompany, person: Person) -> None:
    application = applied(person, offer(company))
    tag = company.owner.get(f"applications/{application}").headers["ETag"]
    assert patch(company.owner, application, {"If-Match": tag}, note="First").status_code == 200
    assert problem(patch(company.recruiter, application, {"If-Match": tag}, stage="rejected")) == (
        412, "precondition_failed",
    )  # fmt: skip
    fresh = {"If-None-Match": tag}
    assert company.owner.get(f"applications/{application}", fresh).status_code == 200


def test_only_the_candidate_withdraws_and_that_is_for_good(company: TestCompany, person: Person) -> None:
    job = offer(company)
    application = applied(person, job)
    assert patch(company.owner, application, stage="withdrawn").status_code == 422
    answers = [person.send("POST", f"applications/{application}/withdraw") for _ in range(2)]
    assert [(each.status_code, each.json()["version"]) for each in answers] == [(200, 2)] * 2
    assert problem(patch(company.owner, application, stage="hired")) == (409, "wrong_stage")
    assert patch(company.owner, application, note="A pity").status_code == 200
    assert apply(person, job).json()["stage"] == "withdrawn"


def test_pages_of_applications_repeat_and_skip_nothing(api: Api, company: TestCompany) -> None:
    job, other = offer(company), offer(company)
    made = [applied(api.person(), job) for _ in range(5)]
    assert patch(company.owner, made[2], stage="rejected").status_code == 200
    seen: list[int] = []
    path = f"jobs/{job}/applications?limit=2"
    page = company.owner.get(path).json()
    first_next = page["next"]
    while True:
        seen += [each["id"] for each in page["applications"]]
        if page["next"] is None:
            break
        page = company.owner.get(f"{path}&cursor={page['next']}").json()
    assert seen == made[::-1]
    chosen = company.owner.get(f"jobs/{job}/applications?stage=rejected,hired").json()["applications"]
    assert [each["id"] for each in chosen] == [made[2]]
    for wrong in (f"jobs/{other}/applications?", f"jobs/{job}/applications?stage=hired&", "applications?"):
        assert problem(company.owner.get(f"{wrong}cursor={first_next}")) == (422, "invalid")
    assert problem(company.owner.get(f"jobs/{job}/applications?stage=fired")) == (422, "invalid")


def test_deleted_accounts_leave_nothing_of_their_applications(api: Api, company: TestCompany) -> None:
    person, recruiter = api.person(), api.person()
    body = {"email": recruiter.email, "role": "recruiter"}
    assert company.owner.send("POST", f"companies/{company.id}/members", json=body).status_code == 201
    job = offer(company)
    application, kept = applied(person, job), applied(api.person(), job)
    for each in (application, kept):
        assert patch(recruiter, each, stage="reviewed", note="Good").status_code == 200
    for gone in (person, recruiter):
        assert gone.send("DELETE", "users/me", json={"password": "a long walk in the rain"}).status_code == 204
    assert problem(company.owner.get(f"applications/{application}")) == (404, "not_found")
    seen = company.owner.get(f"applications/{kept}").json()
    assert (seen["notes"][0]["text"], seen["notes"][0]["author_id"]) == ("Good", None)
    assert (seen["history"][1]["stage"], seen["history"][1]["actor_id"]) == ("reviewed", None)


PDF = b"%PDF-1.7\n" + b"0" * 1000 + b"\n%%EOF\n"


def send_cv(person: Person, application: int, body: bytes, media_type: str = "application/pdf") -> requests.Response:
    return person.send("PUT", f"applications/{application}/cv", {"Content-Type": media_type}, data=body)


def test_cv_is_sent_back_as_an_attachment_to_those_who_may_see_it(company: TestCompany, person: Person) -> None:
    application = applied(person, offer(company))
    path = f"applications/{application}/cv"
    assert problem(company.owner.get(path)) == (404, "not_found")
    largest = b"%PDF-2.0\n" + b"\xff" * (5 * 1024 * 1024 - 16) + b"\n%%EOF\n"[:7]
    assert len(largest) == 5 * 1024 * 1024
    for body in (PDF, largest):
        sent = send_cv(person, application, body)
        assert (sent.status_code, sent.json()["cv"]["bytes"]) == (200, len(body)), sent.text
    assert send_cv(person, application, largest + b"\n").status_code == 413
    for reader in (person, company.owner, company.recruiter):
        answer = reader.get(path, {"Accept-Encoding": "br"})
        assert (answer.status_code, answer.content == largest) == (200, True)
        assert {name: answer.headers[name] for name in ("Content-Type", "Content-Disposition", "Cache-Control")} == {
            "Content-Type": "application/pdf",
            "Content-Disposition": f'attachment; filename="application-{application}.pdf"',
            "Cache-Control": "no-store",
        }
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert problem(person.api.person().get(path)) == (404, "not_found")


def test_what_is_no_pdf_is_no_cv(company: TestCompany, person: Person) -> None:
    application = applied(person, offer(company))
    for body in (b"", b"<html>%PDF-1.7 %%EOF", PDF[:-6], b"%PDF-x.7\n%%EOF", PDF + b"\0" * 1024):
        refused = send_cv(person, application, body)
        assert (refused.status_code, refused.json()["fields"][0]["code"]) == (422, "not_a_pdf"), body[:20]
    assert send_cv(person, application, PDF, "text/html").status_code == 415
    assert person.get(f"applications/{application}").json()["cv"] is None


def test_an_ended_application_takes_no_cv(company: TestCompany, person: Person) -> None:
    application = applied(person, offer(company))
    assert person.send("POST", f"applications/{application}/withdraw").status_code == 200
    assert problem(send_cv(person, application, PDF)) == (409, "wrong_stage")


def test_an_account_applies_so_often_a_day(api: Api, company: TestCompany, person: Person) -> None:
    first, second = offer(company), offer(company)
    application = applied(person, first)
    many = """
        WITH made AS (INSERT INTO posting (company_id, state, valid_through)
                      SELECT %s, 'draft', now() FROM generate_series(1, %s) RETURNING id)
        INSERT INTO application (posting_id, candidate_id, letter, answers)
        SELECT id, %s, '', '[]' FROM made RETURNING id
    """
    assert len(api.query(many, (company.id, DAY_MAX - 1, person.id))) == DAY_MAX - 1
    refused = apply(person, second)
    assert problem(refused) == (429, "rate_limited")
    assert 86_000 < int(refused.headers["Retry-After"]) <= 86_400
    assert apply(person, first).json()["id"] == application
    assert apply(api.person(), second).status_code == 201


def test_without_mail_nothing_waits_to_be_told(api: Api, company: TestCompany, person: Person) -> None:
    applied(person, offer(company))
    assert api.query("SELECT count(*) FROM procrastinate_jobs WHERE task_name LIKE 'applications.%'", ()) == [(0,)]
