"""Profiles, alone and in batches."""

import gzip
from concurrent.futures import ThreadPoolExecutor

import brotli
import pytest

from tests.api_client import PASSWORD, Api, Person

JSON = "application/json"


def test_the_owner_sees_the_whole_profile(person: Person) -> None:
    answer = person.get("users/me")
    assert (answer.status_code, answer.json()["id"], answer.json()["email"]) == (200, person.id, person.email)
    assert answer.headers["Cache-Control"] == "private, no-cache"


def test_an_unchanged_profile_is_not_sent_again(person: Person) -> None:
    tag = person.get("users/me").headers["ETag"]
    answer = person.get("users/me", headers={"If-None-Match": tag})
    assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", tag)


def test_head_answers_as_get_without_a_body(person: Person) -> None:
    answer = person.send("HEAD", "users/me")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Length"] == person.get("users/me").headers["Content-Length"]


def test_a_change_is_seen_at_once_by_every_worker(api: Api, person: Person) -> None:
    for number in range(5):
        answer = person.send("PATCH", "users/me", json={"headline": f"number {number}"})
        assert (answer.status_code, answer.json()["headline"]) == (200, f"number {number}")
        seen = {api.fresh().get("users/me", person.token).json()["headline"] for _ in range(10)}
        assert seen == {f"number {number}"}


def test_patch_keeps_fields_that_are_left_out(person: Person) -> None:
    person.send("PATCH", "users/me", json={"headline": "Analyst"})
    person.send("PATCH", "users/me", json={"name": "Grace"})
    user = person.get("users/me").json()
    assert (user["name"], user["headline"]) == ("Grace", "Analyst")
    assert person.send("PATCH", "users/me", json={}).json()["version"] == user["version"]


def test_a_lost_update_is_refused(person: Person) -> None:
    tag = person.get("users/me").headers["ETag"]
    first = person.send("PATCH", "users/me", json={"name": "Grace"}, headers={"If-Match": tag})
    assert first.status_code == 200
    assert first.headers["ETag"] != tag
    second = person.send("PATCH", "users/me", json={"name": "Eve"}, headers={"If-Match": tag})
    assert (second.status_code, second.json()["code"]) == (412, "precondition_failed")
    assert person.get("users/me").json()["name"] == "Grace"


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": None},
        {"name": "a" * 101},
        {"headline": "a" * 201},
        {"headline": "a\n"},
        {"email": "a@b.c"},
        {"id": 1},
    ],
)
def test_a_bad_change_is_refused(person: Person, change: object) -> None:
    before = person.get("users/me").json()
    assert person.send("PATCH", "users/me", json=change).status_code == 422
    assert person.get("users/me").json() == before


def test_deleting_the_account_ends_sessions_and_hides_the_profile(api: Api, person: Person) -> None:
    other = person.elsewhere()
    viewer = api.person()
    assert viewer.get(f"users/{person.id}").status_code == 200
    assert person.send("DELETE", "users/me", json={"password": "wrong"}).status_code == 403
    assert person.send("DELETE", "users/me", json={"password": PASSWORD}).status_code == 204
    assert person.get("users/me").status_code == other.get("users/me").status_code == 401
    assert viewer.get(f"users/{person.id}").status_code == 404
    assert viewer.get(f"users/batch?ids={person.id}").json()["missing"] == [person.id]
    assert api.login(person.email).status_code == 401
    assert api.audited(person.id)[-1] == "account_deleted"


def test_others_never_see_the_address(api: Api, person: Person) -> None:
    answer = api.person().get(f"users/{person.id}")
    assert set(answer.json()) == {"id", "name", "headline", "created_at"}


@pytest.mark.parametrize("user_id", ["0", "-1", "x", "1.5", "9223372036854775807", "9223372036854775808", "1%00"])
def test_unknown_user_is_not_found(person: Person, user_id: str) -> None:
    answer = person.get(f"users/{user_id}")
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")


def test_a_batch_keeps_the_order_and_names_what_is_missing(api: Api, person: Person) -> None:
    others = [api.register().id for _ in range(3)]
    asked = [others[2], 9223372036854775807, others[0], person.id, others[2], others[1]]
    answer = person.get(f"users/batch?ids={','.join(map(str, asked))}")
    assert answer.status_code == 200
    assert [user["id"] for user in answer.json()["users"]] == [others[2], others[0], person.id, others[1]]
    assert answer.json()["missing"] == [9223372036854775807]
    assert all("email" not in user for user in answer.json()["users"])


@pytest.mark.parametrize(
    "query", ["", "?ids=", "?ids=,", "?ids=1,x", "?ids=0", "?ids=-1", "?ids=1;2", "?ids=" + ",".join(["1"] * 101)]
)
def test_a_bad_batch_is_refused(person: Person, query: str) -> None:
    answer = person.get(f"users/batch{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


@pytest.mark.parametrize(("coding", "decode"), [("gzip", gzip.decompress), ("br", brotli.decompress)])
def test_large_response_is_compressed(api: Api, person: Person, coding: str, decode: object) -> None:
    ids = ",".join(str(api.register().id) for _ in range(20))
    plain = person.get(f"users/batch?ids={ids}", headers={"Accept-Encoding": "identity"})
    packed = person.raw(f"users/batch?ids={ids}", headers={"Accept-Encoding": coding})
    assert packed.headers["content-encoding"] == coding
    assert "Accept-Encoding" in packed.headers["vary"]
    assert "Accept-Encoding" in plain.headers["Vary"]
    assert len(packed.body) < len(plain.content)
    assert decode(packed.body) == plain.content  # type: ignore[operator]


@pytest.mark.parametrize("form", ["{}", "W/{}", '"x", {}', 'W/"x" , W/{}', "*"])
def test_if_none_match_names_the_present_version_in_any_form(person: Person, form: str) -> None:
    tag = person.get("users/me").headers["ETag"]
    assert person.get("users/me", headers={"If-None-Match": form.format(tag)}).status_code == 304


@pytest.mark.parametrize("given", ["", '"x"', '"1-1"', "x" * 1000])
def test_if_none_match_with_another_version_gets_the_profile(person: Person, given: str) -> None:
    assert person.get("users/me", headers={"If-None-Match": given}).status_code == 200


@pytest.mark.parametrize("form", ["{}", "*", '"x", {}'])
def test_if_match_names_the_present_version_in_any_form(person: Person, form: str) -> None:
    tag = person.get("users/me").headers["ETag"]
    answer = person.send("PATCH", "users/me", json={"name": "Grace"}, headers={"If-Match": form.format(tag)})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "given", ["", "x", '"x"', '"1-1"', '"-1"', '"{id}-0"', 'W/"{id}-1"', '"{id}-2", "{id}-3"', '"' + "9" * 30 + '"']
)
@pytest.mark.parametrize(
    ("method", "body"), [("GET", None), ("PATCH", {"name": "Eve"}), ("DELETE", {"password": PASSWORD})]
)
def test_if_match_with_another_version_changes_nothing(person: Person, given: str, method: str, body: object) -> None:
    before = person.get("users/me").json()
    headers = {"If-Match": given.replace("{id}", str(person.id))}
    answer = person.send(method, "users/me", json=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")
    assert person.get("users/me").json() == before


def test_if_none_match_refuses_a_change_of_the_present_version(person: Person) -> None:
    tag = person.get("users/me").headers["ETag"]
    for given in (tag, "*", f"W/{tag}"):
        headers = {"If-None-Match": given}
        assert person.send("PATCH", "users/me", json={"name": "Eve"}, headers=headers).status_code == 412
        assert person.send("DELETE", "users/me", json={"password": PASSWORD}, headers=headers).status_code == 412
    assert person.get("users/me").headers["ETag"] == tag


def test_etag_of_a_compressed_response_works_with_if_match(person: Person) -> None:
    person.send("PATCH", "users/me", json={"headline": "\u2603" * 200, "name": "\u2603" * 100})
    for coding in ("gzip", "br"):
        answer = person.get("users/me", headers={"Accept-Encoding": coding})
        tag = answer.headers["ETag"]
        assert answer.headers["Content-Encoding"] == coding
        again = person.get("users/me", headers={"Accept-Encoding": coding, "If-None-Match": tag})
        assert (again.status_code, again.headers["ETag"]) == (304, tag)
        changed = person.send("PATCH", "users/me", json={"name": "\u2602" * 100}, headers={"If-Match": tag})
        assert changed.status_code == 200


def test_delete_with_the_current_version_in_if_match_succeeds(person: Person) -> None:
    tag = person.get("users/me").headers["ETag"]
    headers = {"If-Match": f'"x", {tag}'}
    assert person.send("DELETE", "users/me", json={"password": PASSWORD}, headers=headers).status_code == 204


def test_one_of_many_changes_of_the_same_version_wins(api: Api, person: Person) -> None:
    tag = person.get("users/me").headers["ETag"]

    def change(number: int) -> int:
        headers = {"Authorization": f"Bearer {person.token}", "If-Match": tag}
        return api.fresh().send("PATCH", "users/me", json={"name": f"Ada {number}"}, headers=headers).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(change, range(8)))
    assert sorted(statuses) == [200] + [412] * 7
    assert person.get("users/me").json()["name"] == f"Ada {statuses.index(200)}"


@pytest.mark.parametrize(
    "change", [{"name": "a" * 100}, {"headline": ""}, {"headline": "é" * 200}, {"name": "\u202eadA", "headline": "☃"}]
)
def test_valid_change_is_returned_and_stored(person: Person, change: dict[str, str]) -> None:
    answer = person.send("PATCH", "users/me", json=change)
    assert answer.status_code == 200
    assert change.items() <= answer.json().items()
    assert person.get("users/me").json() == answer.json()


def test_the_address_of_a_deleted_account_is_free_again(api: Api, person: Person) -> None:
    assert person.send("DELETE", "users/me", json={"password": PASSWORD}).status_code == 204
    answer = api.post("auth/register", {"email": person.email, "password": PASSWORD, "name": "Ada"})
    assert answer.status_code == 201
    assert answer.json()["id"] != person.id


@pytest.mark.parametrize("query", ["ids={0},{1}", "ids={0}&ids={1}", "ids={0},{0}&ids={1}", "ids={0},%20{1}"])
def test_a_batch_may_be_spelled_in_several_ways(api: Api, person: Person, query: str) -> None:
    other = api.register()
    answer = person.get(f"users/batch?{query.format(person.id, other.id)}")
    assert [user["id"] for user in answer.json()["users"]] == [person.id, other.id]


def test_batch_of_a_hundred_users_is_answered(person: Person) -> None:
    missing = [9223372036854775807 - number for number in range(99)]
    answer = person.get(f"users/batch?ids={person.id},{','.join(map(str, missing))}")
    assert [user["id"] for user in answer.json()["users"]] == [person.id]
    assert answer.json()["missing"] == missing


@pytest.mark.parametrize(
    "query",
    [
        "?id=1",
        "?ids=1e3",
        "?ids=0x1",
        "?ids=01",
        "?ids=%2B1",
        "?ids=9223372036854775808",
        "?ids=1%00",
        "?ids=%D9%A1",
        "?ids[]=1",
    ],
)
def test_invalid_ids_are_refused(person: Person, query: str) -> None:
    answer = person.get(f"users/batch{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


def test_merge_patch_sets_keeps_and_clears_fields(person: Person) -> None:
    merge = {"Content-Type": "application/merge-patch+json; charset=utf-8"}
    assert person.send("PATCH", "users/me", data=b'{"headline": "Analyst"}', headers=merge).status_code == 200
    answer = person.send("PATCH", "users/me", data=b'{"headline": null}', headers=merge)
    assert (answer.status_code, answer.json()["headline"], answer.json()["name"]) == (200, "", "Ada")
    assert person.get("users/me").json() == answer.json()
    refused = person.send("PATCH", "users/me", data=b'{"name": null}', headers=merge)
    assert [(each["field"], each["code"]) for each in refused.json()["fields"]] == [("name", "invalid")]
    assert (
        person.send("PATCH", "users/me", data=b'{"headline": null}', headers={"Content-Type": JSON}).status_code == 422
    )


def test_unsupported_media_type_gets_accept_patch(person: Person) -> None:
    answer = person.send("PATCH", "users/me", data=b"[]", headers={"Content-Type": "application/json-patch+json"})
    assert answer.status_code == 415
    assert answer.headers["Accept-Patch"] == answer.headers["Accept"] == f"{JSON}, application/merge-patch+json"
