"""The WSGI application that every side serves: hello, JSON, one query, one memcached read."""

import json
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any, Generic, TypeVar

import psycopg2
from pymemcache.client.base import Client

from loadtest.serving import store, waits

KEY = "profile"
VALUE = json.dumps({"id": 1, "name": "Ada Byron", "headline": "Backend engineer", "about": "x" * 400}).encode()

SIDES: dict[str, Callable[[], Any]] = {
    "ours": waits.ours,
    "published": waits.published,
    "gthread": waits.gthread,
    "gevent": waits.gevent,
}

T = TypeVar("T")
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Pool(Generic[T]):
    """Connections, opened when none is idle; the last one used is reused first."""

    def __init__(self, connect: Callable[[], T]) -> None:
        self._connect = connect
        self._idle: list[T] = []

    def use(self, task: Callable[[T], bytes]) -> bytes:
        """Run `task` with a connection, which is dropped if the task fails."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect()
        answer = task(connection)
        self._idle.append(connection)
        return answer


def hello() -> bytes:
    """A constant body: measures the server alone."""
    return b"Hello, world!"


def as_json() -> bytes:
    """A small object, encoded on each request."""
    return json.dumps({"message": "Hello, world!", "numbers": [1, 2, 3], "nested": {"yes": True}}).encode()


def application(side: str, database: str, memcached: str) -> Application:
    """The WSGI application of `side`; called in the worker."""
    socket_module = SIDES[side]()
    people = count()

    def connect() -> Any:
        connection = psycopg2.connect(database)
        connection.autocommit = True
        return connection

    def person(connection: Any) -> bytes:
        found = store.find_person(connection, next(people) % store.PEOPLE + 1)
        return json.dumps(dict(zip(("id", "name", "headline"), found, strict=True))).encode()

    databases: Pool[Any] = Pool(connect)
    caches: Pool[Any] = Pool(lambda: Client(memcached, connect_timeout=5, timeout=5, socket_module=socket_module))
    pages: dict[str, Callable[[], bytes]] = {
        "/hello": hello,
        "/json": as_json,
        "/database": lambda: databases.use(person),
        "/memcached": lambda: caches.use(lambda client: client.get(KEY)),
    }

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = pages[environ["PATH_INFO"]]()
        start_response("200 OK", [("content-type", "application/json"), ("content-length", str(len(body)))])
        return [body]

    return serve
