"""Runs operations over the services, after their cost is known."""

from collections.abc import Callable, Mapping
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
from app.graphql.plain import Root, Unusual, arguments, coerced
from app.graphql.queries import Queries
from app.graphql.schema import Resolve, build
from app.web.middleware import MayDo

_encode = msgspec.json.Encoder().encode


class Wanted(NamedTuple):
    """What a client sends."""

    query: str | None = None
    variables: dict[str, Any] | None = None
    operation_name: str | None = None
    digest: str | None = None


class Ready(NamedTuple):
    """An operation that may be run, and what it costs."""

    document: Document
    operation: Operation
    variables: dict[str, Any]
    cost: Cost


class Answer(NamedTuple):
    """The JSON of an answer, and the highest status of its errors, 200 without errors."""

    body: bytes
    status: int


class _Running(NamedTuple):
    viewer: Viewer
    asked: Mapping[str, Asked]
    done: dict[str, "_Done"]
    """By the names in the answer, what is known already when graphql-core begins: no field is run twice."""


class _Done(NamedTuple):
    value: Any
    error: Exception | None = None


class GraphQLService:
    """Documents are read once; each request is bounded before it runs."""

    def __init__(self, services: Services, may_do: MayDo, *, introspection: bool) -> None:
        roots = {"Query": Queries(services), "Mutation": Mutations(services, may_do)}
        self._schema = build(roots, _resolver)
        self._documents = Documents(self._schema, introspection=introspection)

    def prepare(self, wanted: Wanted) -> Ready:
        """Raises BadRequest for what is not run."""
        variables = wanted.variables or {}
        if variables:
            bound_variables(variables)
        document = self._documents.find(wanted.query, wanted.digest)
        operation = document.operation(wanted.operation_name)
        cost = operation.cost or cost_of(operation.fields.values(), variables)
        return Ready(document, operation, variables, cost)

    def run(self, ready: Ready, viewer: Viewer, request_id: str) -> Answer:
        running = _Running(viewer, ready.operation.fields, {})
        cost = {"cost": {"objects": ready.cost.objects, "requests": ready.cost.requests}}
        try:
            return Answer(_encode({"data": self._plain(ready, running), "extensions": cost}), 200)
        except Unusual:
            return self._executed(ready, running, cost, request_id)

    def _plain(self, ready: Ready, running: _Running) -> dict[str, Any]:
        """The data; raises Unusual if graphql-core must make it."""
        operation, data = ready.operation, {}
        if operation.roots is None:
            raise Unusual
        variables = coerced(self._schema, operation.node, ready.variables)
        for root in operation.roots:
            value = None if root.method is None else self._found(root, running, arguments(root, variables))
            data[root.key] = root.shape(value)
        return data

    @staticmethod
    def _found(root: Root, running: _Running, given: dict[str, Any]) -> Any:
        assert root.method is not None  # noqa: S101
        try:
            value = root.method(running.viewer, running.asked[root.key], **given)
        except Exception as error:  # noqa: BLE001 graphql-core raises it again
            running.done[root.key] = _Done(None, error)
            raise Unusual from None
        running.done[root.key] = _Done(value)
        return value

    def _executed(self, ready: Ready, running: _Running, cost: dict[str, Any], request_id: str) -> Answer:
        result = execute_sync(
            self._schema,
            ready.document.node,
            context_value=running,
            variable_values=ready.variables,
            operation_name=ready.operation.name,
        )
        answer: dict[str, Any] = {"data": result.data}
        status = 200
        if result.errors:
            answer["errors"] = errors = [failed(each, request_id) for each in result.errors]
            status = max(each["extensions"]["status"] for each in errors)
        answer["extensions"] = cost
        return Answer(_encode(answer), status)

    @staticmethod
    def refuse(error: ProductError) -> bytes:
        """The JSON of the answer to a request that is not run."""
        return _encode({"errors": refused(error)})


def _resolver(method: Callable[..., Any]) -> Resolve:
    def resolve(_root: object, info: GraphQLResolveInfo[_Running], **given: Any) -> Any:
        running, key = info.context, str(info.path.key)
        done = running.done.get(key)
        if done is None:
            return method(running.viewer, running.asked[key], **given)
        if done.error is not None:
            raise done.error
        return done.value

    return resolve
