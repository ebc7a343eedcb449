"""Answers made without graphql-core's executor are those of the executor, whatever the services return.

GRAPHQL_EXAMPLES is the number of documents.
"""

import json
import os
import random
from typing import Any
from unittest.mock import MagicMock

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    build_schema,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_graphql import mutations, nodes, queries

from app.errors import NotFound, ProductError
from app.graphql import service as services
from app.graphql.documents import Documents
from app.graphql.loading import Services, Viewer
from app.graphql.plain import Unusual
from app.graphql.schema import build, schema_text, snake
from app.graphql.service import GraphQLService, Ready, Wanted

SCHEMA = build_schema(schema_text())
SCALARS = {"DateTime": st.just("2030-01-01T00:00:00Z").map(nodes.String)}
LEAVES: dict[str, list[Any]] = {
    "ID": [1, "a", 2**40], "Int": [0, 7, -3], "Float": [1, 0.5, -0.0], "Boolean": [True, False],
    "String": ["", "é"], "DateTime": ["2030-01-01T00:00:00Z"],
}  # fmt: skip
ODD: list[Any] = [None, "other", 2**31, 1.5, True, [], {}]
NOBODY: Any = MagicMock(spec=Viewer)
EXAMPLES = int(os.environ.get("GRAPHQL_EXAMPLES", "30"))
many = settings(
    max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


def value(kind: Any, chance: random.Random, odd: float, depth: int = 0) -> Any:
    """A value of the type with the services' names; with the probability `odd`, one that may not fit."""
    if chance.random() < odd:
        return chance.choice(ODD)
    if isinstance(kind, GraphQLNonNull):
        found = value(kind.of_type, chance, odd, depth)
        return found if found is not None or odd else value(kind, chance, odd, depth)
    if depth and chance.random() < 0.1:
        return None
    if isinstance(kind, GraphQLList):
        return [value(kind.of_type, chance, odd, depth + 1) for _ in range(chance.randrange(3))]
    if isinstance(kind, GraphQLObjectType):
        return {snake(name): value(field.type, chance, odd, depth + 1) for name, field in kind.fields.items()}
    return chance.choice(list(kind.values) if isinstance(kind, GraphQLEnumType) else LEAVES[kind.name])


class Fake:
    """A root whose fields have random values, or fail."""

    def __init__(self, kind: GraphQLObjectType, seed: int, odd: float) -> None:
        self._kinds = {snake(name): field.type for name, field in kind.fields.items()}
        self._seed, self._odd, self.calls = seed, odd, 0

    def __getattr__(self, name: str) -> Any:
        def method(viewer: Viewer, asked: object, **given: object) -> Any:
            self.calls += 1
            chance = random.Random(f"{self._seed} {name} {sorted(given)}")
            if chance.random() < self._odd:
                raise NotFound("it is not there")
            return value(self._kinds[name], chance, self._odd)

        return method


def service_of(seed: int, odd: float) -> tuple[GraphQLService, list[Fake]]:
    query, mutation = SCHEMA.query_type, SCHEMA.mutation_type
    assert query is not None and mutation is not None
    roots = [Fake(query, seed, odd), Fake(mutation, seed, odd)]
    made = GraphQLService(Services(*[MagicMock() for _ in range(5)]), MagicMock(), introspection=True)
    made._schema = build({"Query": roots[0], "Mutation": roots[1]}, services._resolver)
    made._documents = Documents(made._schema, introspection=True)
    return made, roots


def executed(service: GraphQLService, ready: Ready) -> dict[str, Any]:
    running = services._Running(NOBODY, ready.operation.fields, {})
    found: dict[str, Any] = json.loads(service._executed(ready, running, {}, "").body)
    return found | {"extensions": None}


def assert_same(text: str, seed: int, odd: float, variables: dict[str, Any] | None = None) -> None:
    service, roots = service_of(seed, odd)
    ready = service.prepare(Wanted(text, variables))
    found = json.loads(service.run(ready, NOBODY, "").body) | {"extensions": None}
    calls = [each.calls for each in roots]
    assert found == executed(service, ready)
    assert calls == [each.calls - before for each, before in zip(roots, calls, strict=True)]
    assert list(found["data"] or {}) == list((executed(service, ready))["data"] or {})


@given(document=st.one_of(queries(SCHEMA, custom_scalars=SCALARS), mutations(SCHEMA, custom_scalars=SCALARS)),
       seed=st.integers(0, 2**32), odd=st.sampled_from([0.0, 0.0, 0.02, 0.2]))  # fmt: skip
@many
def test_answers_are_those_of_the_executor(document: str, seed: int, odd: float) -> None:
    try:
        assert_same(document, seed, odd)
    except ProductError:  # more than may be asked for
        return


FRAGMENTS = """
query($id: ID!, $first: Int = 2) {
  __typename mine: me { ...who } me { ... on User { email } __typename }
  job(id: $id) { id company { ...firm } ...rest } jobs(ids: [$id, "2"]) { id places { lat } }
  search(q: "x", first: $first) { nodes { ...rest } total { value } pageInfo { hasNextPage } }
}
fragment who on User { id name ...more } fragment more on User { name version }
fragment firm on Company { id __typename } fragment rest on Job { title company { name } skills employmentType }
"""


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("odd", [0.0, 0.05])
def test_fragments_and_variables_are_those_of_the_executor(seed: int, odd: float) -> None:
    assert_same(FRAGMENTS, seed, odd, {"id": 5})


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("{ me { id name } }", True),
        (FRAGMENTS.replace("$id: ID!", '$id: ID = "1"'), True),
        ("{ me { id @skip(if: false) } }", False),
        ("{ __schema { queryType { name } } me { id } }", False),
    ],
)
def test_only_usual_documents_are_answered_without_the_executor(text: str, plain: bool) -> None:
    service, _ = service_of(1, 0.0)
    ready = service.prepare(Wanted(text))
    running = services._Running(NOBODY, ready.operation.fields, {})
    try:
        service._plain(ready, running)
    except Unusual:
        assert not plain
    else:
        assert plain


def test_a_change_is_made_once_where_another_one_fails() -> None:
    text = 'mutation { a: deleteJob(id: "1") b: deleteJob(id: "x") c: deleteJob(id: "3") }'
    service, roots = service_of(1, 0.0)
    made: list[str] = []

    def delete(viewer: Viewer, asked: object, id: str) -> int:  # noqa: A002
        made.append(id)
        if id == "x":
            raise NotFound
        return int(id)

    roots[1].delete_job = delete  # type: ignore[attr-defined]
    service._schema = build({"Query": roots[0], "Mutation": roots[1]}, services._resolver)
    service._documents = Documents(service._schema, introspection=False)
    answer = json.loads(service.run(service.prepare(Wanted(text)), NOBODY, "").body)
    assert answer["data"] == {"a": "1", "b": None, "c": "3"}
    assert [each["path"] for each in answer["errors"]] == [["b"]]
    assert made == ["1", "x", "3"]
