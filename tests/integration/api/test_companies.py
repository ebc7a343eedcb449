"""Companies: fields, slugs, permissions, members and closing."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.api_client import PASSWORD, Api, Person
from tests.integration.api.companies import TestCompany, invite, make_company, staffed_company


@pytest.fixture(scope="module")
def owner(api: Api) -> Person:
    return api.person()


@pytest.fixture
def company(api: Api) -> TestCompany:
    return staffed_company(api)


def outcome(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def bad_fields(answer: requests.Response) -> set[str]:
    assert outcome(answer) == (422, "invalid"), answer.text
    return {each["field"] for each in answer.json()["fields"]}


def test_new_company_has_the_sent_fields_and_its_creator_as_owner(api: Api, owner: Person) -> None:
    given = {"description": "We build.\nSince 1949.", "website": "https://acme.example/jobs?x=1", "country": "DE"}
    answer = owner.send("POST", "companies", json={"name": "Ünïque Straße & Sons 7", **given})
    made = answer.json()
    assert answer.headers["Location"] == f"/api/v1/companies/{made['id']}"
    assert given.items() <= made.items()
    assert (made["verified"], made["version"]) == (False, 1)
    assert made["slug"] == "unique-strasse-sons-7"
    for read in (api.get(f"companies/{made['id']}"), api.get(f"companies/by-slug/{made['slug']}")):
        assert (read.status_code, read.json()) == (200, made)
        assert read.headers["ETag"] == answer.headers["ETag"]
    mine = owner.get("users/me/companies").json()["companies"]
    assert {"id": made["id"], "slug": made["slug"], "name": made["name"], "verified": False} in [
        each["company"] for each in mine if each["role"] == "owner"
    ]


@pytest.mark.parametrize(
    "name", ["Many of One Name", "株式会社", "-- !! --", "x" * 120, "a" * 45 + " bcdefgh"], ids=lambda name: name[:8]
)
def test_companies_of_one_name_get_different_slugs(owner: Person, name: str) -> None:
    slugs = [make_company(owner, name=name)["slug"] for _ in range(5)]
    assert len(set(slugs)) == 5
    assert all(owner.get(f"companies/by-slug/{slug}").json()["name"] == name for slug in slugs)


def test_taken_slug_is_refused(owner: Person) -> None:
    slug = make_company(owner)["slug"]
    answer = owner.send("POST", "companies", json={"name": "Other", "slug": slug})
    assert outcome(answer) == (409, "slug_taken")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "   "),
        ("name", "a\nb"),
        ("name", "x" * 121),
        ("slug", "Acme"),
        ("slug", "a--b"),
        ("slug", "-a"),
        ("slug", "a\n"),
        ("slug", "x" * 61),
        ("description", "a\0b"),
        ("description", "\n\n"),
        ("description", "x" * 5001),
        ("website", "acme.example"),
        ("website", "javascript:alert(1)"),
        ("website", "https://user@acme.example"),
        ("website", "https://acme.example/ö"),
        ("website", "https://acme.example\n"),
        ("country", "de"),
        ("country", "XX"),
        ("country", "DEU"),
        ("verified", True),
        ("id", 1),
    ],
)
def test_a_bad_field_is_named(owner: Person, field: str, value: Any) -> None:
    assert bad_fields(owner.send("POST", "companies", json={"name": "Acme", field: value})) == {field}


def test_lower_case_country_gets_a_suggestion(owner: Person) -> None:
    answer = owner.send("POST", "companies", json={"name": "Acme", "country": "de"})
    assert "did you mean DE?" in answer.json()["fields"][0]["message"]


def test_account_owns_at_most_fifty_companies(api: Api) -> None:
    person = api.person()
    sql = """WITH c AS (INSERT INTO companies (slug, name) SELECT %s || n, 'x' FROM generate_series(1, 49) n
                        RETURNING id)
             INSERT INTO company_members (company_id, user_id, role) SELECT id, %s, 'owner' FROM c"""
    api.query(sql, (f"many-{person.id}-", person.id))

    sessions = [person.elsewhere() for _ in range(4)]

    def create(session: Person) -> int:
        return session.send("POST", "companies", json={"name": "One of many"}).status_code

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(create, sessions)) == [201, 409, 409, 409]
    answer = person.send("POST", "companies", json={"name": "One too many"})
    assert outcome(answer) == (409, "too_many_companies")


@pytest.mark.parametrize("media_type", ["application/json", "application/merge-patch+json"])
def test_owner_changes_only_the_sent_fields(api: Api, company: TestCompany, media_type: str) -> None:
    headers = {"Content-Type": media_type}
    first = company.owner.send(
        "PATCH", f"companies/{company.id}", headers, data='{"name": "New", "website": "https://new.example"}'
    )
    assert (first.status_code, first.json()["name"], first.json()["version"]) == (200, "New", 2)
    assert api.get(f"companies/{company.id}").json() == first.json()
    second = company.owner.send(
        "PATCH", f"companies/{company.id}", headers, data='{"website": null, "description": null, "country": "FR"}'
    )
    assert second.json() | {"updated_at": 0} == first.json() | {
        "website": None, "description": "", "country": "FR", "version": 3, "updated_at": 0,
    }  # fmt: skip
    assert second.json()["slug"] == company.slug


def test_a_lost_update_is_refused(company: TestCompany) -> None:
    path = f"companies/{company.id}"
    tag = company.owner.get(path).headers["ETag"]
    changed = company.owner.send("PATCH", path, {"If-Match": tag}, json={"name": "First"})
    assert changed.status_code == 200
    for method, body in (("PATCH", {"name": "Second"}), ("DELETE", None)):
        late = company.owner.send(method, path, {"If-Match": tag}, json=body)
        assert outcome(late) == (412, "precondition_failed")
    again = company.owner.send("PATCH", path, {"If-Match": changed.headers["ETag"]}, json={"name": "Second"})
    assert again.json()["name"] == "Second"
    read = company.owner.get(path, {"If-None-Match": again.headers["ETag"]})
    assert (read.status_code, read.content) == (304, b"")


def test_permission_is_checked_before_conditional_headers(company: TestCompany) -> None:
    answer = company.recruiter.send("PATCH", f"companies/{company.id}", {"If-Match": '"x"'}, json={"name": "Mine"})
    assert outcome(answer) == (403, "not_an_owner")


def test_a_change_is_seen_by_every_worker_at_once(api: Api, company: TestCompany) -> None:
    for number in range(20):
        name = f"Acme {number}"
        company.owner.send("PATCH", f"companies/{company.id}", json={"name": name})
        assert {api.fresh().get(f"companies/{company.id}").json()["name"] for _ in range(6)} == {name}


@pytest.mark.parametrize("path", ["companies/{id}", "companies/by-slug/{slug}"])
def test_public_read_has_no_user_limit_and_refuses_a_bad_token(api: Api, company: TestCompany, path: str) -> None:
    path = path.format(id=company.id, slug=company.slug)
    assert api.get(path).status_code == 200
    assert "RateLimit" not in api.get(path).headers
    for header in ("Bearer nonsense", "Basic eDp5", "", "Bearer "):
        answer = api.send("GET", path, headers={"Authorization": header})
        assert answer.status_code == 401, header
    company.owner.send("POST", "auth/logout")
    assert company.owner.get(path).status_code == 401


def test_closed_company_is_not_found_and_keeps_its_slug(api: Api, company: TestCompany) -> None:
    path = f"companies/{company.id}"
    assert company.owner.send("DELETE", path).status_code == 204
    for _ in range(4):
        assert api.fresh().get(path).status_code == 404
        assert api.fresh().get(f"companies/by-slug/{company.slug}").status_code == 404
    assert outcome(company.owner.send("DELETE", path)) == (404, "not_found")
    assert outcome(company.owner.get(f"{path}/members")) == (404, "not_found")
    assert company.recruiter.get("users/me/companies").json() == {"companies": [], "next": None}
    answer = api.person().send("POST", "companies", json={"name": "Other", "slug": company.slug})
    assert outcome(answer) == (409, "slug_taken")


def test_member_is_invited_by_any_spelling_of_the_address(api: Api, company: TestCompany) -> None:
    person = api.person()
    body = {"email": f" {person.email.upper()} ", "role": "owner"}
    answer = company.owner.send("POST", f"companies/{company.id}/members", json=body)
    assert answer.status_code == 201
    assert (answer.json()["user_id"], answer.json()["role"]) == (person.id, "owner")
    assert person.get(answer.headers["Location"].removeprefix("/api/v1/")).json() == answer.json()
    assert outcome(invite(company.owner, company.id, person)) == (409, "already_member")


def test_inviting_an_unknown_address_is_not_found(company: TestCompany) -> None:
    body = {"email": "nobody@example.com", "role": "recruiter"}
    assert outcome(company.owner.send("POST", f"companies/{company.id}/members", json=body)) == (404, "not_found")


def test_members_come_in_pages(api: Api, company: TestCompany) -> None:
    path = f"companies/{company.id}/members"
    found: list[dict[str, Any]] = []
    cursor: str | None = ""
    assert invite(company.owner, company.id, api.person()).status_code == 201
    while cursor is not None:
        page = company.recruiter.get(f"{path}?limit=1{cursor and f'&cursor={cursor}'}").json()
        found += page["members"]
        cursor = page["next"]
    assert found == company.owner.get(path).json()["members"]
    assert [each["role"] for each in found] == ["owner", "recruiter", "recruiter"]
    assert {*found[0]} == {"user_id", "name", "role", "since"}


def test_own_companies_come_in_pages(api: Api) -> None:
    person = api.person()
    made = [make_company(person)["id"] for _ in range(3)]
    first = person.get("users/me/companies?limit=2").json()
    rest = person.get(f"users/me/companies?limit=2&cursor={first['next']}").json()
    assert [each["company"]["id"] for each in first["companies"] + rest["companies"]] == made
    assert rest["next"] is None


def test_changed_role_takes_effect_at_once(company: TestCompany) -> None:
    path = f"companies/{company.id}/members/{company.recruiter.id}"
    assert company.owner.send("PUT", path, json={"role": "owner"}).json()["role"] == "owner"
    assert company.recruiter.send("PATCH", f"companies/{company.id}", json={"name": "Ours"}).status_code == 200
    assert company.recruiter.send("PUT", path, json={"role": "recruiter"}).json()["role"] == "recruiter"
    assert outcome(company.recruiter.send("PUT", path, json={"role": "owner"})) == (403, "not_an_owner")
    stranger = f"companies/{company.id}/members/{2**62}"
    assert outcome(company.owner.send("PUT", stranger, json={"role": "owner"})) == (404, "not_found")


def test_last_owner_cannot_leave_or_step_down(company: TestCompany) -> None:
    own = f"companies/{company.id}/members/{company.owner.id}"
    assert outcome(company.owner.send("DELETE", own)) == (409, "last_owner")
    assert outcome(company.owner.send("PUT", own, json={"role": "recruiter"})) == (409, "last_owner")
    assert company.owner.send("PUT", own, json={"role": "owner"}).status_code == 200
    invited = company.owner.send(
        "PUT", f"companies/{company.id}/members/{company.recruiter.id}", json={"role": "owner"}
    )
    assert invited.status_code == 200
    assert company.owner.send("DELETE", own).status_code == 204
    assert outcome(company.owner.send("DELETE", own)) == (403, "not_a_member")


def test_recruiter_may_leave_but_not_remove_others(company: TestCompany) -> None:
    members = f"companies/{company.id}/members"
    assert outcome(company.recruiter.send("DELETE", f"{members}/{company.owner.id}")) == (403, "not_an_owner")
    assert company.recruiter.send("DELETE", f"{members}/{company.recruiter.id}").status_code == 204
    assert outcome(company.recruiter.get(members)) == (403, "not_a_member")
    assert outcome(company.owner.send("DELETE", f"{members}/{company.recruiter.id}")) == (404, "not_found")


def test_one_of_two_owners_leaving_at_once_stays(api: Api) -> None:
    for _ in range(5):
        first, second = api.person(), api.person()
        company_id = make_company(first)["id"]
        assert invite(first, company_id, second, "owner").status_code == 201

        def leave(person: Person, company_id: int = company_id) -> int:
            own = f"companies/{company_id}/members/{person.id}"
            return Person.send(_elsewhere(person), "DELETE", own).status_code

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(leave, (first, second))) == [204, 409]


def _elsewhere(person: Person) -> Person:
    """The same person on a new connection."""
    other = Person(person.api.fresh(), person.id, person.email)
    other.token = person.token
    return other


def test_last_owner_cannot_delete_the_account(company: TestCompany) -> None:
    def delete() -> requests.Response:
        return company.owner.send("DELETE", "users/me", json={"password": PASSWORD})

    refused = delete()
    assert outcome(refused) == (409, "last_owner")
    assert company.slug in refused.json()["detail"]
    assert company.owner.get("users/me").status_code == 200
    company.owner.send("PUT", f"companies/{company.id}/members/{company.recruiter.id}", json={"role": "owner"})
    assert delete().status_code == 204
    left = company.recruiter.get(f"companies/{company.id}/members").json()["members"]
    assert [each["user_id"] for each in left] == [company.recruiter.id]
    assert company.recruiter.send("DELETE", f"companies/{company.id}").status_code == 204
    assert company.recruiter.send("DELETE", "users/me", json={"password": PASSWORD}).status_code == 204


def test_database_refuses_to_delete_the_last_owner(api: Api, company: TestCompany) -> None:
    """Pods of earlier versions delete accounts without checking companies, so the database has to."""
    with pytest.raises(Exception, match="would have no owner"):
        api.query("DELETE FROM users WHERE id = %s", (company.owner.id,))
    api.query("DELETE FROM companies WHERE id = %s", (company.id,))
    api.query("DELETE FROM users WHERE id = %s", (company.owner.id,))


def test_member_changes_are_audited_with_their_actor(api: Api, company: TestCompany) -> None:
    company.owner.send("PUT", f"companies/{company.id}/members/{company.recruiter.id}", json={"role": "owner"})
    company.owner.send("DELETE", f"companies/{company.id}/members/{company.recruiter.id}")
    company.owner.send("DELETE", f"companies/{company.id}")
    owner, recruiter = company.owner.id, company.recruiter.id
    sql = "SELECT event, user_id, actor_id, detail->>'role' FROM audit_log WHERE company_id = %s ORDER BY id"
    assert api.query(sql, (company.id,)) == [
        ("company_created", owner, owner, None),
        ("member_added", recruiter, owner, "recruiter"),
        ("member_role_changed", recruiter, owner, "owner"),
        ("member_removed", recruiter, owner, None),
        ("company_closed", None, owner, None),
    ]
