"""Any document that fits the schema gets an answer: data and errors with codes, of a bounded size, never a failure.

GRAPHQL_EXAMPLES is the number of documents of each kind.
"""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_graphql import mutations, nodes, queries

from app.graphql.asked import OBJECTS_MAX
from app.graphql.schema import schema_text
from tests.api_client import Api, Person
from tests.integration.api.graphql_client import ask

EXAMPLES = int(os.environ.get("GRAPHQL_EXAMPLES", "25"))
SCALARS = {"DateTime": st.sampled_from(["2030-01-01T00:00:00Z", "tomorrow", ""]).map(nodes.String)}
BYTES_MAX = 2_000_000
anything = settings(
    max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True
)


@pytest.fixture(scope="module")
def somebody(api: Api) -> Person:
    return api.person()


def assert_answered(api: Api, document: str, person: Person | None) -> None:
    answer = ask(api, document, person)
    assert (answer.status_code, len(answer.content) < BYTES_MAX) == (200, True), (document, answer.text[:500])
    said = answer.json()
    assert [each for each in said.get("errors", []) if each["extensions"]["code"] == "internal"] == [], document
    assert "data" not in said or said["extensions"]["cost"]["objects"] <= OBJECTS_MAX


@given(document=queries(schema_text(), custom_scalars=SCALARS))
@anything
def test_any_query_is_answered(api: Api, somebody: Person, document: str) -> None:
    assert_answered(api, document, somebody)
    assert_answered(api, document, None)


@given(document=mutations(schema_text(), custom_scalars=SCALARS))
@anything
def test_any_mutation_is_answered(api: Api, somebody: Person, document: str) -> None:
    assert_answered(api, document, somebody)
