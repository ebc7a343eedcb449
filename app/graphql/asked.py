"""What an operation asks for: its cost, and what resolvers must load beside their own objects."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    SchemaMetaFieldDef,
    SelectionSetNode,
    TypeMetaFieldDef,
    ValueNode,
    VariableNode,
    get_directive_values,
    get_named_type,
    is_list_type,
    is_object_type,
)
from graphql.type import get_nullable_type

from app.errors import BadRequest

LIST_ASSUMED = 5
"""Objects of a list whose length no argument says."""

SIZE_MAX = 100
"""Objects of a list that a wrong value asks for, which is refused later."""

OBJECTS_MAX = 10_000
OBJECTS_OF_REQUEST = 1_000
REQUESTS_MAX = 20
_META = {"__schema": SchemaMetaFieldDef, "__type": TypeMetaFieldDef}


class TooCostly(BadRequest):
    """The operation asks for too much at once."""

    code, title = "too_costly", "The operation asks for too much at once"


@dataclass(frozen=True, slots=True)
class Size:
    """A fixed number, or what a variable says: a number, or as many as it has items."""

    number: int
    variable: str | None = None

    def value(self, variables: Mapping[str, Any]) -> int:
        if self.variable is None:
            return self.number
        given = variables.get(self.variable, self.number)
        if isinstance(given, list):
            return len(given)
        return max(given, 0) if isinstance(given, int) and not isinstance(given, bool) else SIZE_MAX


@dataclass(frozen=True, slots=True)
class Asked:
    """A field whose values are objects: how many, and what is asked of each: `plain` fields, and further objects."""

    name: str
    size: Size
    plain: frozenset[str]
    inner: tuple["Asked", ...]

    def objects(self, variables: Mapping[str, Any]) -> int:
        """The most objects that the answer can have here and below."""
        return self.size.value(variables) * (1 + sum(each.objects(variables) for each in self.inner))

    def at(self, *path: str) -> Iterator["Asked"]:
        """Everything that is asked below at this path of names, whatever the aliases."""
        if not path:
            yield self
            return
        for each in self.inner:
            if each.name == path[0]:
                yield from each.at(*path[1:])

    def asks(self, name: str) -> bool:
        """Whether the field is asked of these objects."""
        return name in self.plain or any(each.name == name for each in self.inner)


@dataclass(frozen=True, slots=True)
class Cost:
    """`objects` that the answer can have, and how many `requests` of the client's limit that is."""

    objects: int
    requests: int


def cost_of(fields: Iterable[Asked], variables: Mapping[str, Any]) -> Cost:
    """Each field of the query counts as a request at least; raises TooCostly."""
    counts = [each.objects(variables) for each in fields]
    requests = sum(max(1, math.ceil(count / OBJECTS_OF_REQUEST)) for count in counts)
    if sum(counts) > OBJECTS_MAX or requests > REQUESTS_MAX:
        raise TooCostly(
            f"{sum(counts)} objects, at most {OBJECTS_MAX}; {requests} requests of the limit, at most {REQUESTS_MAX}"
        )
    return Cost(sum(counts), requests)


class Planner:
    """Reads what operations of a valid document ask for."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode) -> None:
        self._schema = schema
        self._list_size = schema.get_directive("listSize")
        definitions = document.definitions
        self._fragments = {each.name.value: each for each in definitions if isinstance(each, FragmentDefinitionNode)}

    def fields(self, operation: OperationDefinitionNode) -> dict[str, Asked]:
        """The fields of the operation itself, by their names in the answer."""
        root = self._schema.get_root_type(operation.operation)
        if root is None:
            return {}
        defaults = {each.variable.name.value: each.default_value for each in operation.variable_definitions or ()}
        collected = self._collected(root, [operation.selection_set])
        return {key: self._asked(field, same, Size(1), defaults) for key, (field, same) in collected.items()}

    def _asked(
        self, field: GraphQLField, same: Sequence[FieldNode], size: Size, defaults: Mapping[str, ValueNode | None]
    ) -> Asked:  # fmt: skip
        kind = get_named_type(field.type)
        below = self._collected(kind, [each.selection_set for each in same if each.selection_set is not None])
        size, sized, of_each = self._sizes(field, same[0], size, defaults)
        plain, inner = set(), []
        for found, nodes in below.values():
            name = nodes[0].name.value
            if is_object_type(get_named_type(found.type)):
                many = Size(LIST_ASSUMED) if is_list_type(get_nullable_type(found.type)) else Size(1)
                inner.append(self._asked(found, nodes, of_each if name in sized else many, defaults))
            else:
                plain.add(name)
        return Asked(same[0].name.value, size, frozenset(plain), tuple(inner))

    def _sizes(
        self, field: GraphQLField, node: FieldNode, size: Size, defaults: Mapping[str, ValueNode | None]
    ) -> tuple[Size, Sequence[str], Size]:  # fmt: skip
        """(size of the field, names of fields below whose size its argument says, that size)."""
        sizing = self._list_size and field.ast_node and get_directive_values(self._list_size, field.ast_node)
        if not sizing:
            return size, (), size
        name = sizing["slicingArgument"]
        given = next((each.value for each in node.arguments or () if each.name.value == name), None)
        said = _said(given, field.args[name].default_value, defaults)
        sized = sizing.get("sizedFields")
        return (Size(1), sized, said) if sized else (said, (), said)

    def _collected(
        self, kind: Any, sets: Iterable[SelectionSetNode]
    ) -> dict[str, tuple[GraphQLField, list[FieldNode]]]:
        """The fields by their names in the answer, with fragments in place."""
        found: dict[str, tuple[GraphQLField, list[FieldNode]]] = {}
        for node in self.nodes(sets, set()):
            if isinstance(kind, GraphQLObjectType):
                field = kind.fields.get(node.name.value) or _META.get(node.name.value)
                if field is not None:
                    found.setdefault((node.alias or node.name).value, (field, []))[1].append(node)
        return found

    def nodes(self, sets: Iterable[SelectionSetNode], seen: set[str]) -> Iterator[FieldNode]:
        """The fields, with those of fragments in their places; a fragment in `seen` is left out, others join it."""
        for each in (selection for selected in sets for selection in selected.selections):
            if isinstance(each, FieldNode):
                yield each
            elif not isinstance(each, FragmentSpreadNode):
                yield from self.nodes([each.selection_set], seen)  # type: ignore[attr-defined]
            elif each.name.value not in seen:
                seen.add(each.name.value)
                yield from self.nodes([self._fragments[each.name.value].selection_set], seen)


def _said(given: ValueNode | None, default: Any, defaults: Mapping[str, ValueNode | None]) -> Size:
    """The size that an argument says, which has a value in the document, a variable, or a default."""
    if isinstance(given, VariableNode):
        return Size(_said(defaults.get(given.name.value), default, {}).number, given.name.value)
    if isinstance(given, IntValueNode):
        return Size(max(int(given.value[:9]), 0))
    if isinstance(given, ListValueNode):
        return Size(len(given.values))
    return Size(default if isinstance(default, int) else SIZE_MAX if given is None else 1)
