"""Texts that PostgreSQL cannot store are refused wherever a client can send them, without an error of the service."""

import re
from collections.abc import Iterator
from urllib.parse import quote

import msgspec
import pytest
import requests
from graphql import GraphQLArgument, build_schema, get_named_type, is_required_argument

from app.graphql.schema import schema_text
from tests.api_client import Api, Person
from tests.integration.api.companies import make_company
from tests.integration.api.graphql_client import ask
from tests.integration.imports.office import line

NUL = "a\0b"
TOKENS = ("auth/verify", "auth/change-address", "auth/accept-invitation", "saved-searches/unsubscribe", "auth/revoke")


@pytest.fixture
def admin(api: Api) -> Person:
    person = api.person()
    api.query("UPDATE users SET admin = true WHERE id = %s RETURNING 1", (person.id,))
    return person


def addresses(api: Api) -> Iterator[str]:
    """Each operation that reads, with a text in each of its parameters that is no number."""
    for path, operations in requests.get(f"{api.url}/openapi.json", timeout=30).json()["paths"].items():
        told = operations.get("get")
        if told is None:
            continue
        plain = re.sub(r"{\w*id}", "1", path)
        filled = re.sub(r"{\w+}", quote(NUL), plain)
        if filled != plain:
            yield filled
        for each in told.get("parameters", []):
            if each["in"] == "query" and "integer" not in str(each["schema"]):
                for text in ("a%00b", "a%ED%A0%80b"):
                    yield f"{re.sub(r'{[^}]+}', '1', path)}?{each['name']}={text}"


def test_parameters_with_unstorable_texts_are_no_error(api: Api, admin: Person) -> None:
    asked = list(dict.fromkeys(addresses(api)))
    assert len(asked) > 60
    headers = {"Authorization": f"Bearer {admin.token}"}
    found = {path: requests.get(f"{api.url}{path}", headers=headers, timeout=30).status_code for path in asked}
    assert {path: status for path, status in found.items() if status >= 500} == {}


def documents() -> Iterator[str]:
    """A query for each text or id among the arguments of the root fields."""
    root = build_schema(schema_text()).query_type
    assert root is not None
    for field, told in root.fields.items():
        texts = {name: arg for name, arg in told.args.items() if get_named_type(arg.type).name in ("String", "ID")}
        for wrong in texts:
            given = {name: "1" for name, arg in texts.items() if is_required_argument(arg)} | {wrong: "a\\u0000b"}
            shown = ", ".join(f"{name}: {as_written(told.args[name], text)}" for name, text in given.items())
            yield f"{{ {field}({shown}) {{ __typename }} }}"


def as_written(argument: GraphQLArgument, text: str) -> str:
    return f'["{text}"]' if "[" in str(argument.type) else f'"{text}"'


def test_arguments_with_unstorable_texts_are_no_error(api: Api, person: Person) -> None:
    asked = list(documents())
    assert len(asked) > 10
    found = {query: ask(api, query, person).json() for query in asked}
    failed = {
        query: answer for query, answer in found.items() for each in answer.get("errors", [])
        if each["extensions"]["status"] >= 500
    }  # fmt: skip
    assert failed == {}


@pytest.mark.parametrize("path", TOKENS)
def test_token_with_an_unstorable_text_is_unknown(api: Api, path: str) -> None:
    assert api.post(path, {"token": NUL}).status_code < 500


def test_line_with_an_unstorable_name_affects_no_other(api: Api, person: Person) -> None:
    company = make_company(person)["id"]
    body = b"\n".join([line(1), line(2, external_id=NUL), line(3)])
    headers = {"Content-Type": "application/x-ndjson"}
    answer = person.send("POST", f"companies/{company}/jobs/import?source=ats", data=body, headers=headers)
    assert answer.status_code == 200, answer.text
    reports = [msgspec.json.decode(each) for each in answer.content.splitlines()]
    assert [each["status"] for each in reports] == ["created", "refused", "created"]
    assert [(each["field"], each["code"]) for each in reports[1]["errors"]] == [("external_id", "invalid")]
