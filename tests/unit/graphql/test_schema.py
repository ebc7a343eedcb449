"""The schema file is the documentation of GraphQL, and says the same as the REST API's shapes."""

import re
from pathlib import Path
from typing import get_args

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLNamedType,
    GraphQLObjectType,
    build_schema,
    parse,
    validate,
)

from app.alerts.schemas import Frequency, NewSavedSearch, SavedSearch, SavedSearchPatch
from app.applications.schemas import Answer, ApplicationBrief, Candidate, NewApplication, Stage
from app.companies.schemas import Company, CompanyPatch, NewCompany, Role
from app.graphql.schema import camel, schema_text, snake
from app.jobs.query.parameters import FACETS, PARAMETERS, SORTS
from app.jobs.schemas import (
    Apply,
    EmploymentType,
    Job,
    JobPatch,
    NewJob,
    Place,
    Question,
    Salary,
    Seniority,
    State,
    Unit,
    Workplace,
)
from app.users.schemas import ProfilePatch, PublicUser, User

SCHEMA = build_schema(schema_text())
OWN = [kind for kind in SCHEMA.type_map.values() if kind.ast_node is not None]


@pytest.mark.parametrize("kind", OWN, ids=lambda kind: kind.name)
def test_every_field_is_described(kind: GraphQLNamedType) -> None:
    assert kind.description
    if isinstance(kind, GraphQLObjectType | GraphQLInputObjectType):
        assert [name for name, field in kind.fields.items() if not field.description] == []
    if isinstance(kind, GraphQLObjectType):
        arguments = [(name, given) for field in kind.fields.values() for name, given in field.args.items()]
        assert [name for name, given in arguments if not given.description] == []
    if isinstance(kind, GraphQLEnumType):
        assert [name for name, value in kind.values.items() if not value.description] == []


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("User", User), ("PublicUser", PublicUser), ("Company", Company), ("Job", Job), ("Place", Place),
        ("Salary", Salary), ("Apply", Apply), ("Question", Question), ("Application", ApplicationBrief),
        ("Candidate", Candidate), ("SavedSearch", SavedSearch),
    ],
)  # fmt: skip
def test_types_have_the_fields_of_the_rest_api(name: str, shape: type) -> None:
    kind = SCHEMA.type_map[name]
    assert isinstance(kind, GraphQLObjectType)
    assert {snake(field) for field in kind.fields} == set(shape.__struct_fields__)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("ProfileInput", ProfilePatch), ("ApplicationInput", NewApplication), ("AnswerInput", Answer),
        ("NewSavedSearchInput", NewSavedSearch), ("SavedSearchInput", SavedSearchPatch),
        ("NewCompanyInput", NewCompany), ("CompanyInput", CompanyPatch), ("NewJobInput", NewJob),
        ("JobInput", JobPatch), ("PlaceInput", Place), ("SalaryInput", Salary), ("ApplyInput", Apply),
        ("QuestionInput", Question),
    ],
)  # fmt: skip
def test_inputs_have_the_fields_of_the_rest_api(name: str, shape: type) -> None:
    kind = SCHEMA.type_map[name]
    assert isinstance(kind, GraphQLInputObjectType)
    assert {snake(field) for field in kind.fields} == set(shape.__struct_fields__)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("EmploymentType", get_args(EmploymentType)), ("Workplace", get_args(Workplace)),
        ("Seniority", get_args(Seniority)), ("JobState", get_args(State)), ("SalaryUnit", get_args(Unit)),
        ("Stage", get_args(Stage)), ("Role", get_args(Role)), ("FacetName", FACETS), ("SearchSort", SORTS),
        ("Frequency", get_args(Frequency)),
    ],
)  # fmt: skip
def test_enumerations_have_the_values_of_the_rest_api(name: str, values: tuple[str, ...]) -> None:
    kind = SCHEMA.type_map[name]
    assert isinstance(kind, GraphQLEnumType)
    assert set(kind.values) == set(values)


def test_a_search_takes_every_parameter_of_the_rest_api() -> None:
    assert SCHEMA.query_type is not None
    given = set(SCHEMA.query_type.fields["search"].args)
    assert given == {camel(name) for name in PARAMETERS} - {"total"}


def test_names_are_translated_both_ways() -> None:
    assert [snake(name) for name in ("createdAt", "distanceM", "id", "salaryMin")] == [
        "created_at", "distance_m", "id", "salary_min",
    ]  # fmt: skip
    assert [camel(name) for name in ("created_at", "company.not", "cursor", "query.q")] == [
        "createdAt", "companyNot", "after", "query.q",
    ]  # fmt: skip


def test_the_examples_of_the_documentation_fit_the_schema() -> None:
    page = (Path(__file__).parents[3] / "docs" / "graphql.md").read_text()
    examples = re.findall(r"```graphql\n(.*?)```", page, re.DOTALL)
    assert len(examples) == 2
    assert [validate(SCHEMA, parse(example)) for example in examples] == [[]] * 2


def test_the_documentation_names_every_mutation() -> None:
    page = (Path(__file__).parents[3] / "docs" / "graphql.md").read_text()
    assert SCHEMA.mutation_type is not None
    assert [name for name in SCHEMA.mutation_type.fields if f"`{name}`" not in page] == []
