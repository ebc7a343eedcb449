"""What is kept of a person: the export names it, and deleting the account erases it from every table and cache."""

import json
import socket
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest

from app.accounts.export import store
from app.accounts.export.store import PARTS
from app.applications.upkeep.store import PRUNE_APPLICATIONS
from app.config import DatabaseTuning
from app.infra.postgres.database import Database
from app.mail.messages import Mail
from tests.api_client import PASSWORD, Person
from tests.integration.accounts.conftest import Mailed
from tests.integration.api.companies import invite, make_company

MARK = "Zebulon-Quill-8841"
OFFER = {
    "title": "Nurse", "description": "<p>You care.</p>", "language": "en", "state": "open",
    "apply": {"questions": [{"text": "Why?"}]},
}  # fmt: skip
TABLES = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND n.nspname = 'public' ORDER BY 1
"""
REFERRING = """
SELECT DISTINCT conrelid::regclass::text FROM pg_constraint WHERE contype = 'f' AND confrelid = 'users'::regclass
"""
QUEUED = "SELECT enqueue_task('mail.send', %s::jsonb, NULL, 3600, 0)"


def tables_naming(mailed: Mailed, *marks: str) -> list[str]:
    """Tables that have one of the texts, or its bytes, in a row."""
    found = []
    for (table,) in mailed.api.query(TABLES, ()):
        for mark in marks:
            like = f"%{mark}%", f"%{mark.encode().hex()}%"
            sql = f'SELECT 1 FROM "{table}" t WHERE t::text LIKE %s OR t::text LIKE %s LIMIT 1'
            if mailed.api.query(sql, like):
                found.append(table)
    return sorted(set(found))


def memcached_content(address: str) -> bytes:
    """Every key and value of a memcached."""
    with socket.socket(socket.AF_UNIX) as line, line.makefile("rwb") as stream:
        line.settimeout(10)
        line.connect(address.removeprefix("unix:"))

        def ask(command: bytes) -> bytes:
            stream.write(command + b"\r\n")
            stream.flush()
            answer = b""
            while not answer.endswith(b"END\r\n"):
                answer += stream.readline()
            return answer

        listed = ask(b"lru_crawler metadump all")
        rows = [row.split(b" ")[0] for row in listed.splitlines() if row.startswith(b"key=")]
        keys = [unquote_to_bytes(row.removeprefix(b"key=")) for row in rows]
        assert keys
        return listed + b"".join(ask(b"get " + key) for key in keys)


def marked_person(mailed: Mailed) -> Person:
    """A proven account whose name, headline, address, application and CV have the mark."""
    person = mailed.verified()
    profile = {"name": MARK, "headline": f"I am {MARK}"}
    assert person.send("PATCH", "users/me", json=profile).status_code == 200
    saved = person.send("POST", "saved-searches", json={"name": MARK, "query": "q=nurse"})
    assert saved.status_code == 201
    return person


def applied(person: Person, job: int) -> int:
    body = {"letter": MARK, "answers": [{"question": "Why?", "answer": MARK}]}
    headers = {"Idempotency-Key": f"{MARK}-{job}"}
    application: int = person.send("POST", f"jobs/{job}/applications", headers, json=body).json()["id"]
    pdf = b"%PDF-1.7\n" + MARK.encode() + b"\n%%EOF\n"
    sent = person.send("PUT", f"applications/{application}/cv", {"Content-Type": "application/pdf"}, data=pdf)
    assert sent.status_code == 200
    return application


def queue_mail(mailed: Mailed, to: str, kind: str) -> None:
    mail: dict[str, Any] = {"key": "k", "kind": kind, "to": to, "language": "en", "values": {"name": MARK}}
    assert set(mail) | {"link"} == set(Mail.__struct_fields__)
    mailed.api.query(QUEUED, (json.dumps({"mail": mail}),))


def test_deleted_account_is_erased_from_every_table_and_from_memcached(mailed: Mailed) -> None:
    owner, person = mailed.verified(), marked_person(mailed)
    company = make_company(owner)
    assert invite(owner, company["id"], person).status_code == 202
    job = owner.send("POST", f"companies/{company['id']}/jobs", json=OFFER).json()["id"]
    application = applied(person, job)
    assert owner.send("PATCH", f"applications/{application}", json={"note": f"{MARK} fits"}).status_code == 200
    assert owner.get(f"users/{person.id}").json()["name"] == MARK
    mailed.quiet()
    queue_mail(mailed, person.email, "changed")
    cache = mailed.service.variables["MEMCACHED_SERVERS"]
    assert {
        "users",
        "application",
        "application_cv_part",
        "application_note",
        "procrastinate_jobs",
        "account_links",
    } <= set(tables_naming(mailed, MARK, person.email))
    assert MARK.encode() in memcached_content(cache)
    assert person.send("DELETE", "users/me", json={"password": PASSWORD}).status_code == 204
    assert tables_naming(mailed, MARK, person.email) == []
    assert MARK.encode() not in memcached_content(cache)
    assert person.email.encode() not in memcached_content(cache)
    assert owner.get(f"users/{person.id}").status_code == 404


def test_failed_mails_to_former_and_mistyped_addresses_are_erased(mailed: Mailed) -> None:
    person, new, mistyped = mailed.verified(), mailed.api.new_email(), mailed.api.new_email()

    def ask_change(email: str) -> None:
        body = {"email": email, "password": PASSWORD}
        assert person.send("POST", "users/me/email", json=body).status_code == 202

    ask_change(new)
    token = mailed.token(new, "Confirm your new")
    mailed.server.behave("RCPT", "550 5.7.1 refused")
    try:
        ask_change(mistyped)
        mailed.quiet()
        assert mailed.api.post("auth/change-address", {"token": token}).status_code == 204
        mailed.quiet()
    finally:
        mailed.server.behave()
    assert ["procrastinate_jobs" in tables_naming(mailed, each) for each in (person.email, mistyped)] == [True, True]
    assert person.send("DELETE", "users/me", json={"password": PASSWORD}).status_code == 204
    assert tables_naming(mailed, person.email, new, mistyped) == []


def test_export_has_everything_that_refers_to_the_account(mailed: Mailed) -> None:
    owner, person = mailed.verified(), marked_person(mailed)
    company = make_company(owner)
    job = owner.send("POST", f"companies/{company['id']}/jobs", json=OFFER).json()["id"]
    application = applied(person, job)
    export = person.get("users/me/export").json()
    assert export["account"][0]["email"] == person.email
    (own,) = export["applications"]
    assert (own["id"], own["letter"], own["cv_bytes"]) == (application, MARK, 34)
    assert [step["stage"] for step in own["history"]] == ["submitted"]
    assert [
        len(export[part]) for part in ("sessions", "saved_searches", "links", "repeatable_requests", "memberships")
    ] == [1, 1, 1, 1, 0]
    assert "address_verified" in [row["event"] for row in export["audit_log"]]
    assert [name for name in ("password_hash", "refresh_hash", "token_hash", "nonce") if name in str(export)] == []
    selected = " ".join(" ".join(PARTS.values()).split()) + " "
    assert [table for (table,) in mailed.api.query(REFERRING, ()) if f" {table} " not in selected] == []


def test_part_of_the_export_ends_after_some_bytes(mailed: Mailed, monkeypatch: pytest.MonkeyPatch) -> None:
    person = mailed.verified()
    database = Database(mailed.service.variables["DATABASE_URL"], DatabaseTuning(), prepared=False)
    try:
        rows = json.loads(store.read(database, person.id, "audit_log"))
        for number in range(len(rows) + 1):
            shown = rows[:number]
            monkeypatch.setattr(store, "BYTES_MAX", sum(len(json.dumps(row, separators=(",", ":"))) for row in shown))
            assert json.loads(store.read(database, person.id, "audit_log")) == shown
    finally:
        database.close()
    assert len(rows) > 1


def test_applications_are_removed_long_after_their_posting_ended(mailed: Mailed) -> None:
    owner, person = mailed.verified(), mailed.verified()
    company = make_company(owner)
    jobs = [owner.send("POST", f"companies/{company['id']}/jobs", json=OFFER).json()["id"] for _ in range(3)]
    kept_open, closed, just_closed = applications = [applied(person, job) for job in jobs]
    for job in jobs[1:]:
        assert owner.send("PATCH", f"jobs/{job}", json={"state": "closed"}).status_code == 200
    old = "UPDATE application SET created_at = now() - interval '26 months' WHERE id = ANY (%s) RETURNING id"
    assert len(mailed.api.query(old, (applications,))) == 3
    ended = "UPDATE posting SET ended_at = ended_at - interval '25 months' WHERE id = %s RETURNING ended_at IS NOT NULL"
    assert mailed.api.query(ended, (jobs[1],)) == [(True,)]
    assert mailed.api.query(f"{PRUNE_APPLICATIONS} RETURNING id", (24, 24)) == [(closed,)]
    assert person.get(f"applications/{closed}/cv").status_code == 404
    assert [person.get(f"applications/{each}").status_code for each in (kept_open, just_closed)] == [200, 200]
