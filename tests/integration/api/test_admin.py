"""Administration: access, search, disabling accounts, verification and the audit log."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.api_client import Api, Person
from tests.integration.api.companies import invite, make_company
from tests.service import CHECKOUT


@pytest.fixture(scope="module")
def admin(api: Api) -> Person:
    person = api.person()
    api.query("UPDATE users SET admin = true WHERE id = %s", (person.id,))
    return person


def code(person: Person, method: str, path: str) -> tuple[int, str]:
    answer = person.send(method, path)
    return answer.status_code, answer.json()["code"]


def audited(api: Api, user_id: int) -> list[tuple[str, int | None]]:
    sql = "SELECT event, actor_id FROM audit_log WHERE user_id = %s AND actor_id IS NOT NULL ORDER BY id"
    return [(row[0], row[1]) for row in api.query(sql, (user_id,))]


def test_admin_flag_takes_effect_at_the_next_request(api: Api) -> None:
    person = api.person()
    for flag, status in ((True, 200), (False, 404)):
        api.query("UPDATE users SET admin = %s WHERE id = %s", (flag, person.id))
        assert person.get("admin/users").status_code == status
    assert code(person, "GET", "admin/users") == code(person, "GET", "nothing/here") == (404, "not_found")


def test_accounts_are_found_by_id_email_and_name(api: Api, admin: Person) -> None:
    person = api.person()
    person.send("PATCH", "users/me", json={"name": f"Grace 100%_{person.id} Hopper"})
    for query in (
        {"id": person.id},
        {"email": person.email.upper()},
        {"name": f"100%_{person.id} hop"},
        {"id": person.id, "email": person.email, "name": "HOPPER"},
    ):
        found = admin.send("GET", "admin/users", params=query).json()
        assert [(each["id"], each["email"]) for each in found["users"]] == [(person.id, person.email)], query
        assert found["next"] is None
        assert found["users"] == [admin.get(f"admin/users/{person.id}").json()]
    one = admin.get(f"admin/users/{person.id}").json()
    assert (one["admin"], one["disabled_at"]) == (False, None)


@pytest.mark.parametrize("query", ["id=x", "id=0", "email=x", "name=%00", "name=a&name=b", "limit=101"])
def test_invalid_search_is_refused(admin: Person, query: str) -> None:
    assert code(admin, "GET", f"admin/users?{query}") == (400, "bad_request")


def test_search_without_a_match_is_empty(admin: Person) -> None:
    mixed = f"id={admin.id}&email=nobody@example.com"
    named = f"id={admin.id}&name=Lovelace"
    for query in ("id=4611686018427387904", "email=nobody@example.com", "name=100%25_nobody", mixed, named):
        assert admin.get(f"admin/users?{query}").json() == {"users": [], "next": None}
    assert code(admin, "GET", "admin/users/4611686018427387904") == (404, "not_found")


def test_accounts_come_in_pages(api: Api, admin: Person) -> None:
    name = f"Paged {admin.id}"
    people = [api.register() for _ in range(3)]
    api.query("UPDATE users SET name = %s || id WHERE id = ANY (%s)", (name, [each.id for each in people]))
    for query in (f"name={name}&", ""):
        first = admin.get(f"admin/users?{query}limit=2").json()
        second = admin.get(f"admin/users?{query}limit=2&cursor={first['next']}").json()
        ids = [each["id"] for each in first["users"] + second["users"]]
        assert ids[:3] == sorted([each.id for each in people], reverse=True)


def test_disabling_ends_all_sessions_and_refuses_logins(api: Api, admin: Person) -> None:
    person = api.person()
    others = [person.elsewhere() for _ in range(3)]
    answer = admin.send("POST", f"admin/users/{person.id}/disable")
    assert answer.status_code == 200
    assert answer.json()["disabled_at"]
    for each in (person, *others):
        assert Person.get(_fresh(each), "users/me").status_code == 401
        assert each.refresh().status_code == 401
    assert api.login(person.email, "wrong").json()["code"] == "wrong_credentials"
    refused = api.login(person.email)
    assert (refused.status_code, refused.json()["code"]) == (403, "account_disabled")
    assert admin.get(f"admin/users/{person.id}/sessions").json()["sessions"] == []
    assert admin.send("POST", f"admin/users/{person.id}/disable").json()["disabled_at"] == answer.json()["disabled_at"]
    assert admin.send("POST", f"admin/users/{person.id}/enable").json()["disabled_at"] is None
    assert others[0].get("users/me").status_code == 401
    person.log_in()
    assert person.get("users/me").status_code == 200
    assert audited(api, person.id) == [
        ("account_disabled", admin.id),
        ("account_disabled", admin.id),
        ("account_enabled", admin.id),
    ]


def _fresh(person: Person) -> Person:
    other = Person(person.api.fresh(), person.id, person.email)
    other.token = person.token
    return other


def test_database_refuses_sessions_of_a_disabled_account(api: Api) -> None:
    """Pods of earlier versions do not check the flag, so the database has to."""
    person = api.register()
    api.query("UPDATE users SET disabled_at = now() WHERE id = %s", (person.id,))
    insert = """INSERT INTO sessions (user_id, epoch, family, refresh_hash, expires_at)
                VALUES (%s, 0, decode(repeat('00', 16), 'hex'), '', now() + interval '1 day') RETURNING id"""
    assert api.query(insert, (person.id,)) == []


def test_own_account_cannot_be_disabled(admin: Person) -> None:
    assert code(admin, "POST", f"admin/users/{admin.id}/disable") == (409, "own_account")
    assert admin.get("users/me").status_code == 200


@pytest.mark.parametrize("act", ["disable", "enable"])
def test_unknown_account_is_not_found(admin: Person, act: str) -> None:
    assert code(admin, "POST", f"admin/users/4611686018427387904/{act}") == (404, "not_found")


def test_live_sessions_of_others_are_listed(api: Api, admin: Person) -> None:
    person = api.person()
    person.elsewhere("a phone")
    found = admin.get(f"admin/users/{person.id}/sessions").json()["sessions"]
    assert [(each["agent"], each["current"]) for each in found] == [("a phone", False), ("the tests", False)]
    assert admin.get("admin/users/4611686018427387904/sessions").status_code == 404


def test_verification_is_seen_by_every_worker_at_once_and_audited_once(api: Api, admin: Person) -> None:
    company = make_company(api.person())
    path = f"companies/{company['id']}"
    for method, verified in (("POST", True), ("POST", True), ("DELETE", False), ("DELETE", False)):
        answer = admin.send(method, f"admin/{path}/verify")
        assert (answer.status_code, answer.json()["verified"]) == (200, verified)
        assert {api.fresh().get(path).json()["verified"] for _ in range(6)} == {verified}
    assert api.get(path).json()["version"] == 3
    entries = admin.get(f"admin/audit?company_id={company['id']}").json()["entries"]
    assert [(each["event"], each["actor_id"]) for each in entries[:2]] == [
        ("company_unverified", admin.id),
        ("company_verified", admin.id),
    ]
    assert code(admin, "POST", "admin/companies/4611686018427387904/verify") == (404, "not_found")


def test_audit_log_is_filtered_by_user_actor_and_event(api: Api, admin: Person) -> None:
    person = api.person()
    person.elsewhere()

    def events(query: str) -> list[str]:
        found = admin.get(f"admin/audit?user_id={person.id}&{query}").json()
        assert {each["user_id"] for each in found["entries"]} <= {person.id}
        return [each["event"] for each in found["entries"]]

    assert events("") == ["logged_in", "logged_in", "registered"]
    assert events("event=registered") == ["registered"]
    assert events(f"actor_id={admin.id}") == []
    admin.send("POST", f"admin/users/{person.id}/disable")
    assert events(f"actor_id={admin.id}") == ["account_disabled"]
    first = admin.get(f"admin/audit?user_id={person.id}&limit=3").json()
    second = admin.get(f"admin/audit?user_id={person.id}&limit=3&cursor={first['next']}").json()
    ids = [each["id"] for each in first["entries"] + second["entries"]]
    assert len(ids) == 4
    assert ids == sorted(ids, reverse=True)
    assert second["next"] is None
    assert admin.get("admin/audit?event=LOGGED+IN").status_code == 400


@pytest.mark.parametrize("filtered", ["", "&event=seldom"])
def test_pages_of_one_account_skip_no_entry(api: Api, admin: Person, filtered: str) -> None:
    """An entry has the time at which its transaction began, so one with a lower id may be later."""
    user_id, seconds = api.register().id, [3, 5, 1, 6, 2, 4, 4]
    sql = "INSERT INTO audit_log (event, user_id, at) SELECT 'seldom', %s, now() + %s * interval '1 s' RETURNING 1"
    for second in seconds:
        api.query(sql, (user_id, second))
    ids, query = [], f"admin/audit?user_id={user_id}&limit=2{filtered}"
    page = admin.get(query).json()
    ids += [each["id"] for each in page["entries"]]
    while page["next"] is not None:
        page = admin.get(f"{query}&cursor={page['next']}").json()
        ids += [each["id"] for each in page["entries"]]
    assert len(ids) == len(seconds) + (not filtered)
    order = "SELECT id FROM audit_log WHERE user_id = %s AND (event = 'seldom' OR %s) ORDER BY at DESC, id DESC"
    assert ids == [row[0] for row in api.query(order, (user_id, not filtered))]
    api.query("DELETE FROM audit_log WHERE id = %s", (page_end := int(admin.get(query).json()["next"]),))
    assert admin.get(f"{query}&cursor={page_end}").json() == {"entries": [], "next": None}


def test_export_names_no_client_of_somebody_else(api: Api, admin: Person) -> None:
    person, owner = api.person(), api.person()
    company = make_company(owner)["id"]
    assert invite(owner, company, person).status_code == 201
    member = f"companies/{company}/members/{person.id}"
    assert owner.send("PUT", member, json={"role": "owner"}).status_code == 200
    assert owner.send("DELETE", member).status_code == 204
    for act in ("disable", "enable"):
        assert admin.send("POST", f"admin/users/{person.id}/{act}").status_code == 200
    make_company(person.log_in())
    rows = person.get("users/me/export").json()["audit_log"]
    clients = {
        row["event"]: (row["actor_id"], row["address"], bool(row["agent"]), bool(row["request_id"])) for row in rows
    }
    own, others = ("127.0.0.1", True, True), (None, False, False)
    assert clients == {
        "registered": (None, *own), "logged_in": (None, *own), "company_created": (person.id, *own),
        "member_added": (owner.id, *others), "member_role_changed": (owner.id, *others),
        "member_removed": (owner.id, *others),
        "account_disabled": (admin.id, *others), "account_enabled": (admin.id, *others),
    }  # fmt: skip


def test_audit_page_scans_a_limited_number_of_rows(api: Api, admin: Person) -> None:
    """The match is older than more rows than one page scans."""
    api.query("INSERT INTO audit_log (event, user_id) VALUES ('rare', 7)", ())
    api.query("INSERT INTO audit_log (event) SELECT 'many' FROM generate_series(1, 50001)", ())
    first = admin.get("admin/audit?event=rare").json()
    assert first["entries"] == []
    second = admin.get(f"admin/audit?event=rare&cursor={first['next']}").json()
    assert [each["event"] for each in second["entries"]] == ["rare"]
    api.query("DELETE FROM audit_log WHERE event = 'many'", ())


@pytest.fixture
def command(api: Api) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "app", "admin", *arguments],
            cwd=CHECKOUT, env=api.variables, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    return run


def test_the_command_grants_and_revokes(api: Api, command: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    person = api.person()
    for act, status in (("grant", 200), ("revoke", 404)):
        done = command(act, f" {person.email.upper()}")
        assert (done.returncode, done.stderr) == (0, "")
        assert person.get("admin/audit").status_code == status
    assert api.audited(person.id)[-2:] == ["admin_granted", "admin_revoked"]
    for email, reason in (("nobody@example.com", "there is no account"), ("nonsense", "is not an e-mail address")):
        done = command("grant", email)
        assert done.returncode == 2
        assert reason in done.stderr
