"""Documents and variables are refused by a bounded amount of work, counted in the fields that are looked at."""

import functools
import json
from typing import Any
from unittest.mock import MagicMock

import pytest
from graphql import parse

from app.errors import BadRequest
from app.graphql import bounds
from app.graphql.bounds import FIELDS_MAX, VALUES_MAX, Walk, bound_variables, read_document
from app.graphql.documents import NotValid
from app.graphql.loading import Services
from app.graphql.service import GraphQLService, Wanted


@functools.cache
def _service(*, introspection: bool = False) -> GraphQLService:
    return GraphQLService(Services(*[MagicMock() for _ in range(5)]), MagicMock(), introspection=introspection)


def _doubling(levels: int) -> str:
    """Fragments of which each has the next one twice, below two fields."""
    each = [f"fragment f{n} on Query {{ a: me {{ ...f{n + 1} }} b: me {{ ...f{n + 1} }} }}" for n in range(levels)]
    return " ".join(["query { ...f0 }", *each, f"fragment f{levels} on Query {{ me {{ id }} }}"])


ATTACKS = {
    "many aliases": ("{" + " ".join(f"a{n}: me {{ id }}" for n in range(100)) + "}", "too_many_aliases"),
    "a fragment in itself": ("{ ...a } fragment a on Query { ...a }", "fragment_cycle"),
    "fragments in each other": (
        "{ me { ...a } } fragment a on User { ...b } fragment b on User { id ... on User { ...a } }",
        "fragment_cycle",
    ),
    "a cycle that is not used": ("{ me { id } } fragment a on User { ...a }", "fragment_cycle"),
    "a cycle below fields": ("{ ...a } fragment a on Query { me { ...a } }", "fragment_cycle"),
    "fragments that double": (_doubling(12), "too_many_aliases"),
    "levels": ("{ me " * 20 + "{ id }" + "}" * 20, "too_deep"),
    "brackets": ("{ a " * 900, "too_deep"),
    "lists in arguments": ("{ users(ids: " + "[" * 900 + "]" * 900 + ") { id } }", "too_deep"),
    "repeated fields": ("{ me {" + "id " * 600 + "} }", "too_many_fields"),
    "repeated fields with fields": ("{" + "me { id } " * 150 + "}", "too_many_fields"),
    "directives": ("{ me " + "@skip(if: false) " * 50 + "{ id } }", "too_many_directives"),
    "unknown directives": ("{ me " + "@a " * 900 + "{ id } }", "too_many_directives"),
    "tokens": ("{ me { id } } " + "# \n".join("query q { me { id } }" for _ in range(400)), "too_large"),
    "a long document": ("{ me { id } } #" + "x" * 1_000_000, "too_large"),
    "operations": (" ".join(f"query q{n} {{ me {{ id }} }}" for n in range(60)), "too_large"),
    "long lists": (
        "{" + " ".join(f"a{n}: search(first: 100) {{ nodes {{ id places {{ city }} }} }}" for n in range(20)) + "}",
        "too_costly",
    ),
    "many fields of the query": ("{" + " ".join(f"a{n}: me {{ id }}" for n in range(21)) + "}", "too_costly"),
    "the schema": ("{ __schema { types { name } } }", "graphql_validation"),
    "a type": ('{ __type(name: "User") { fields { name } } }', "graphql_validation"),
    "no document": ("{", "graphql_syntax"),
    "unknown fields": ("{ me { password } }", "graphql_validation"),
    "a subscription": ("subscription { me { id } }", "graphql_validation"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_each_attack_is_refused_with_its_code(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The work before the refusal is bounded, and nothing is validated that exceeds a bound."""
    walks: list[Walk] = []
    made = Walk.__init__

    def noted(self: Walk, document: Any) -> None:
        made(self, document)
        walks.append(self)

    monkeypatch.setattr(bounds.Walk, "__init__", noted)
    text, code = ATTACKS[name]
    with pytest.raises(BadRequest) as caught:
        _service().prepare(Wanted(text))
    assert caught.value.code == code
    assert sum(walk.visited for walk in walks) <= FIELDS_MAX + 1


def test_expanded_fragments_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "ALIASES_MAX", 10**9)
    walk = Walk(parse(_doubling(13)))
    with pytest.raises(bounds.TooManyFields):
        walk.check()
    assert walk.visited == FIELDS_MAX + 1


def test_an_introspection_bomb_is_refused_where_the_schema_may_be_read() -> None:
    service = _service(introspection=True)
    bomb = "{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }"
    with pytest.raises(NotValid):
        service.prepare(Wanted(bomb))
    assert service.prepare(Wanted("{ __schema { types { name } } }")).cost.requests == 1


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"ids": ["1"] * VALUES_MAX}, "too_large"),
        ({"a": json.loads("[" * 500 + "]" * 500)}, "too_deep"),
        ({"a": [[{"b": [0] * 400}] * 20]}, "too_large"),
    ],
)
def test_large_variables_are_refused(variables: dict[str, Any], code: str) -> None:
    with pytest.raises(BadRequest) as caught:
        bound_variables(variables)
    assert caught.value.code == code


def test_variables_count_for_the_cost() -> None:
    service = _service()
    text = "query($n: Int = 7, $ids: [ID!]!) { search(first: $n) { nodes { id } } users(ids: $ids) { id } }"
    assert service.prepare(Wanted(text, {"ids": ["1", "2"]})).cost.objects == 1 + 7 + 2
    assert service.prepare(Wanted(text, {"ids": ["1"], "n": 50})).cost.objects == 1 + 50 + 1
    with pytest.raises(BadRequest, match="10000"):
        service.prepare(Wanted(text, {"ids": ["1"], "n": 2_000_000_000}))


def test_the_cost_counts_objects_of_lists_within_lists() -> None:
    text = "{ search(first: 100) { edges { node { company { id } places { city } } } pageInfo { endCursor } } }"
    cost = _service().prepare(Wanted(text)).cost
    assert (cost.objects, cost.requests) == (1 + 100 * (1 + 1 + 1 + 5) + 1, 1)
    assert _service().prepare(Wanted("{ a: me { id } b: me { id } }")).cost.requests == 2


def test_a_document_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    service = _service()
    first = service.prepare(Wanted("{ me { id } }"))
    monkeypatch.setattr("app.graphql.documents.read_document", lambda text: 1 / 0)
    assert service.prepare(Wanted("{ me { id } }")).document is first.document


def test_kept_documents_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = _service()._documents
    size = documents.find("query q00 { me { id } }", None).size
    monkeypatch.setattr("app.graphql.documents.KEPT_BYTES", 12 * size)
    for number in range(10, 60):
        documents.find(f"query q{number} {{ me {{ id }} }}", None)
    assert len(documents) == 12
    with pytest.raises(BadRequest) as caught:
        documents.find(None, "0" * 64)
    assert caught.value.code == "PERSISTED_QUERY_NOT_FOUND"


def test_a_bounded_document_is_read() -> None:
    text = '{ me { id } } # comment\nquery q { job(id: "1") { title } }'
    document, size = read_document(text)
    planned = bounds.BYTES_OF_TOKEN * 20 + bounds.BYTES_OF_CHARACTER * len(text) + bounds.BYTES_OF_FIELD * 4
    assert (len(document.definitions), size) == (2, bounds.BYTES + planned)
