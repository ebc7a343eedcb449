"""The executable schema: `schema.graphql`, whose names in camelCase stand for the services' names."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from graphql import GraphQLInputObjectType, GraphQLObjectType, GraphQLSchema, build_schema

Resolve = Callable[..., Any]
METHOD = "method"
"""The name among a field's extensions of the method that finds its value."""

_FILE = Path(__file__).with_name("schema.graphql")
_OTHER_NAMES = {
    "company_not": "company.not",
    "skill_all": "skill.all",
    "first": "limit",
    "after": "cursor",
    "idempotency_key": "Idempotency-Key",
}
"""Arguments that the REST API names otherwise."""


def schema_text() -> str:
    """The schema as it is written."""
    return _FILE.read_text()


def build(roots: Mapping[str, object], resolver: Callable[[Resolve], Resolve]) -> GraphQLSchema:
    """The schema; each field of a root type is a method of that root, which `resolver` adapts to graphql-core.

    All other fields are read from dictionaries, with the names of the REST API.
    """
    schema = build_schema(schema_text())
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__"):
            for name, field in kind.fields.items():
                root = roots.get(kind.name)
                if root is None:
                    field.resolve = _reader(snake(name))
                else:
                    method = field.extensions[METHOD] = getattr(root, snake(name))
                    field.resolve = resolver(method)
        elif isinstance(kind, GraphQLInputObjectType):
            for name, given in kind.fields.items():
                given.out_name = snake(name)
    for root_type in (schema.query_type, schema.mutation_type):
        for field in root_type.fields.values() if root_type else ():
            for name, argument in field.args.items():
                argument.out_name = snake(name)
    return schema


def snake(name: str) -> str:
    """The name in the services of an argument or field."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda found: f"_{found[1].lower()}", name)


def camel(name: str) -> str:
    """The name in the schema of a field of the services, which may have dots."""
    known = {other: ours for ours, other in _OTHER_NAMES.items()}
    return re.sub(r"_([a-z0-9])", lambda found: found[1].upper(), known.get(name, name))


def as_parameter(argument: str) -> str:
    """The parameter of a search that an argument is, by its name in the services."""
    return _OTHER_NAMES.get(argument) or argument


def _reader(name: str) -> Resolve:
    def read(source: Mapping[str, Any], _info: object) -> Any:
        return source.get(name)

    return read
