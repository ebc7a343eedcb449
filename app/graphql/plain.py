"""Answers that are made without graphql-core's executor, which costs a profile three times what everything else costs.

The fields of a document are known before it runs, and services return dictionaries. So each selection becomes a
function that copies what is asked for, and checks types as the executor does. What is unusual is left to the executor:
directives, questions about the schema, fields that fail, and values that do not fit the schema.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    FieldNode,
    GraphQLEnumType,
    GraphQLError,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    SelectionSetNode,
    get_argument_values,
)
from graphql.execution.values import VariableValues, get_variable_values

from app.graphql.asked import Planner
from app.graphql.schema import METHOD, snake

Shape = Callable[[Any], Any]
TYPE_NAME = "__typename"
_INT_MAX = 2**31


class Unusual(Exception):
    """The executor must make this answer."""


@dataclass(frozen=True, slots=True)
class Root:
    """A field of the operation: the method that finds its value, and what the answer has of it.

    Without a method it is the name of the root type.
    """

    key: str
    method: Callable[..., Any] | None
    field: GraphQLField
    node: FieldNode
    shape: Shape


class Plain:
    """Reads what an operation of a valid document without directives asks for."""

    def __init__(self, schema: GraphQLSchema, planner: Planner) -> None:
        self._schema, self._planner = schema, planner

    def roots(self, operation: OperationDefinitionNode) -> tuple[Root, ...] | None:
        """Its fields in the order of the answer; None where it asks for the schema."""
        kind = self._schema.get_root_type(operation.operation)
        if kind is None:
            return None
        found = self._collected([operation.selection_set])
        known = [each[0] for each in found.values()]
        if any(node.name.value not in kind.fields for node in known if node.name.value != TYPE_NAME):
            return None
        return tuple(self._root(kind, key, nodes) for key, nodes in found.items())

    def _root(self, kind: GraphQLObjectType, key: str, nodes: list[FieldNode]) -> Root:
        name = nodes[0].name.value
        if name == TYPE_NAME:
            return Root(key, None, GraphQLField(kind), nodes[0], _constant(kind.name))
        field = kind.fields[name]
        return Root(key, field.extensions[METHOD], field, nodes[0], self._shape(field.type, nodes))

    def _shape(self, kind: Any, nodes: list[FieldNode]) -> Shape:
        if isinstance(kind, GraphQLNonNull):
            return _required(self._shape(kind.of_type, nodes))
        if isinstance(kind, GraphQLList):
            return _list_of(self._shape(kind.of_type, nodes))
        if isinstance(kind, GraphQLObjectType):
            return self._object(kind, nodes)
        if isinstance(kind, GraphQLEnumType):
            return _one_of(frozenset(kind.values))
        return _LEAVES.get(kind.name, _text)

    def _object(self, kind: GraphQLObjectType, nodes: list[FieldNode]) -> Shape:
        entries = []
        found = self._collected([each.selection_set for each in nodes if each.selection_set is not None])
        for key, same in found.items():
            name = same[0].name.value
            shape = _constant(kind.name) if name == TYPE_NAME else self._shape(kind.fields[name].type, same)
            entries.append((key, snake(name), shape))
        return _object(entries)

    def _collected(self, sets: Iterable[SelectionSetNode]) -> dict[str, list[FieldNode]]:
        found: dict[str, list[FieldNode]] = {}
        for node in self._planner.nodes(sets, set()):
            found.setdefault((node.alias or node.name).value, []).append(node)
        return found


def coerced(
    schema: GraphQLSchema, operation: OperationDefinitionNode, variables: Mapping[str, Any]
) -> VariableValues | None:
    """The variables for `arguments`, None if there are none; raises Unusual if they do not fit."""
    if not operation.variable_definitions:
        return None
    values = get_variable_values(schema, operation.variable_definitions, dict(variables))
    if isinstance(values, list):
        raise Unusual
    return values


def arguments(root: Root, variables: VariableValues | None) -> dict[str, Any]:
    """The arguments of the method; raises Unusual if they do not fit."""
    try:
        return get_argument_values(root.field, root.node, variables)
    except GraphQLError:
        raise Unusual from None


def _constant(value: str) -> Shape:
    return lambda _: value


def _required(inner: Shape) -> Shape:
    def shape(value: Any) -> Any:
        found = inner(value)
        if found is None:
            raise Unusual
        return found

    return shape


def _list_of(inner: Shape) -> Shape:
    def shape(value: Any) -> Any:
        if value is None:
            return None
        if type(value) not in (list, tuple):
            raise Unusual
        return [inner(each) for each in value]

    return shape


def _object(entries: list[tuple[str, str, Shape]]) -> Shape:
    def shape(value: Any) -> Any:
        if value is None:
            return None
        if type(value) is not dict:
            raise Unusual
        get = value.get
        return {key: inner(get(name)) for key, name, inner in entries}

    return shape


def _one_of(names: frozenset[str]) -> Shape:
    def shape(value: Any) -> Any:
        if value is None or (type(value) is str and value in names):
            return value
        raise Unusual

    return shape


def _text(value: Any) -> Any:
    if value is None or type(value) is str:
        return value
    raise Unusual


def _id(value: Any) -> Any:
    if value is None or type(value) is str:
        return value
    if type(value) is int:
        return str(value)
    raise Unusual


def _whole(value: Any) -> Any:
    if value is None or (type(value) is int and -_INT_MAX <= value < _INT_MAX):
        return value
    raise Unusual


def _number(value: Any) -> Any:
    if value is None:
        return None
    if type(value) in (int, float):
        return float(value)
    raise Unusual


def _truth(value: Any) -> Any:
    if value is None or type(value) is bool:
        return value
    raise Unusual


_LEAVES: Mapping[str, Shape] = {"ID": _id, "Int": _whole, "Float": _number, "Boolean": _truth}
