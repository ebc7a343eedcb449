"""Runs operations over the services, after their cost is known."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
from graphql import GraphQLResolveInfo, execute_sync

from app.errors import ProductError
from app.graphql.asked import Asked, Cost, cost_of
from app.graphql.bounds import bound_variables
from app.graphql.documents import Document, Documents, Operation
from app.graphql.errors import failed, refused
from app.graphql.loading import Services, Viewer
from app.graphql.mutations import Mutations
from app.graphql.queries import Queries
from app.graphql.schema import Resolve, build
from app.web.middleware import MayDo

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a client sends."""

    query: str | None = None
    variables: dict[str, Any] | None = None
    operation_name: str | None = None
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """An operation that may be run, and what it costs."""

    document: Document
    operation: Operation
    variables: dict[str, Any]
    cost: Cost


class Answer(NamedTuple):
    """The JSON of an answer, and the highest status of its errors, 200 without errors."""

    body: bytes
    status: int


@dataclass(frozen=True, slots=True)
class _Running:
    viewer: Viewer
    asked: "dict[str, Asked]"


class GraphQLService:
    """Documents are read once; each request is bounded before it runs."""

    def __init__(self, services: Services, may_do: MayDo, *, introspection: bool) -> None:
        roots = {"Query": Queries(services), "Mutation": Mutations(services, may_do)}
        self._schema = build(roots, _resolver)
        self._documents = Documents(self._schema, introspection=introspection)

    def prepare(self, wanted: Wanted) -> Ready:
        """Raises BadRequest for what is not run."""
        variables = wanted.variables or {}
        bound_variables(variables)
        document = self._documents.find(wanted.query, wanted.digest)
        operation = document.operation(wanted.operation_name)
        return Ready(document, operation, variables, cost_of(operation.fields.values(), variables))

    def run(self, ready: Ready, viewer: Viewer, request_id: str) -> Answer:
        result = execute_sync(
            self._schema,
            ready.document.node,
            context_value=_Running(viewer, dict(ready.operation.fields)),
            variable_values=ready.variables,
            operation_name=ready.operation.name,
        )
        answer: dict[str, Any] = {"data": result.data}
        status = 200
        if result.errors:
            answer["errors"] = errors = [failed(each, request_id) for each in result.errors]
            status = max(each["extensions"]["status"] for each in errors)
        answer["extensions"] = {"cost": {"objects": ready.cost.objects, "requests": ready.cost.requests}}
        return Answer(_encode(answer), status)

    @staticmethod
    def refuse(error: ProductError) -> bytes:
        """The JSON of the answer to a request that is not run."""
        return _encode({"errors": refused(error)})


def _resolver(method: Callable[..., Any]) -> Resolve:
    def resolve(_root: object, info: GraphQLResolveInfo[_Running], **arguments: Any) -> Any:
        running = info.context
        return method(running.viewer, running.asked[str(info.path.key)], **arguments)

    return resolve
