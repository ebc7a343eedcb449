"""Documents: parsed, bounded and validated once, and kept for the requests that send them again."""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    OperationType,
    specified_rules,
    validate,
)

from app.errors import BadRequest
from app.graphql.asked import Asked, Cost, Planner, TooCostly, cost_of
from app.graphql.bounds import read_document
from app.graphql.plain import Plain, Root

ERRORS_MAX = 20
KEPT_BYTES = 20_000_000
"""What all documents that a worker keeps hold at most, as `read_document` estimates it."""

_HASH = re.compile(r"[0-9a-f]{64}\Z")


class NotValid(BadRequest):
    """The document does not fit the schema."""

    code, title = "graphql_validation", "The document does not fit the schema"

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__("")
        self.errors = errors


class UnknownOperation(BadRequest):
    """The document has no such operation, or several and none is named."""

    code, title = "unknown_operation", "operationName must name an operation of the document"


class PersistedQueryNotFound(BadRequest):
    """No worker has seen a document with this hash lately; clients send the document then (Apollo's protocol)."""

    code, title = "PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound"


class WrongHash(BadRequest):
    """The hash is not that of the document."""

    code, title = "wrong_hash", "sha256Hash must be the document's SHA-256 in hexadecimal digits"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a document, and what it asks for by names in the answer."""

    name: str | None
    writes: bool
    fields: Mapping[str, Asked]
    node: OperationDefinitionNode
    roots: tuple[Root, ...] | None
    """What `plain` makes the answer with; None where graphql-core must."""
    cost: Cost | None
    """None where it depends on variables, or is too high."""


@dataclass(frozen=True, slots=True)
class Document:
    """A valid document."""

    node: DocumentNode
    size: int
    """As `read_document` estimates it, in bytes."""
    operations: tuple[Operation, ...]

    def operation(self, name: str | None) -> Operation:
        """Raises UnknownOperation."""
        found = [each for each in self.operations if name is None or each.name == name]
        if len(found) != 1:
            raise UnknownOperation
        return found[0]


class Documents:
    """The documents that this worker has seen lately, by their hash."""

    def __init__(self, schema: GraphQLSchema, *, introspection: bool) -> None:
        self._schema, self._introspection = schema, introspection
        self._rules = [*specified_rules] if introspection else [*specified_rules, NoSchemaIntrospectionCustomRule]
        self._kept: OrderedDict[str, Document] = OrderedDict()
        self._size = 0

    def find(self, text: str | None, digest: str | None) -> Document:
        """By its text, by the hash of an earlier one, or by both; raises one of this module's errors, or of bounds."""
        if text is None:
            if digest is None:
                raise BadRequest("query is missing")
            if (known := self._known(digest)) is None:
                raise PersistedQueryNotFound
            return known
        own = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
        if digest is not None and (not _HASH.match(digest) or digest != own):
            raise WrongHash
        return self._known(own) or self._keep(own, self._read(text))

    def __len__(self) -> int:
        return len(self._kept)

    def _known(self, digest: str) -> Document | None:
        found = self._kept.get(digest)
        if found is not None:
            self._kept.move_to_end(digest)
        return found

    def _read(self, text: str) -> Document:
        node, size = read_document(text)
        errors = validate(
            self._schema, node, self._rules, max_errors=ERRORS_MAX, hide_suggestions=not self._introspection
        )
        if errors:
            raise NotValid(errors)
        planner = Planner(self._schema, node)
        plain = Plain(self._schema, planner)
        operations = [each for each in node.definitions if isinstance(each, OperationDefinitionNode)]
        return Document(
            node,
            size,
            tuple(
                Operation(
                    each.name.value if each.name else None,
                    each.operation is not OperationType.QUERY,
                    planner.fields(each),
                    each,
                    None if "@" in text else plain.roots(each),
                    _fixed_cost(each, planner),
                )
                for each in operations
            ),
        )

    def _keep(self, digest: str, document: Document) -> Document:
        if digest not in self._kept:
            self._kept[digest] = document
            self._size += document.size
            while self._size > KEPT_BYTES:
                self._size -= self._kept.popitem(last=False)[1].size
        return document


def _fixed_cost(operation: OperationDefinitionNode, planner: Planner) -> Cost | None:
    if operation.variable_definitions:
        return None
    try:
        return cost_of(planner.fields(operation).values(), {})
    except TooCostly:
        return None
