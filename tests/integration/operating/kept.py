"""Requests to the whole service on connections whose answers tell whether the server has kept them."""

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

from tests.api_client import Api, Person
from tests.integration.operating.release import wait_for
from tests.integration.server.serving import Connection, Response
from tests.pods.connections import is_of_server

OWN = "/api/v1/users/me"
KEPT = (200, 304)
"""The status of answers that are kept."""


def connect(api: Api) -> Connection:
    """A connection to the service."""
    address = urlsplit(api.url)
    sock = socket.create_connection((str(address.hostname), address.port or 80), 30)
    return Connection(sock)


def bearer(person: Person) -> str:
    return f"Authorization: Bearer {person.token}\r\n"


def is_kept(response: Response) -> bool:
    """Whether the server has given the answer by itself."""
    return is_of_server(response.header("x-request-id"))


def kept(ask: Callable[[], Response]) -> Response:
    """Repeat `ask`, which sends no id of its own, until the server gives the answer by itself; returns that one.

    An answer that is never kept, such as 429, ends it at once.
    """
    answers: list[Response] = []

    def is_given() -> bool:
        answers.append(ask())
        assert answers[-1].status in KEPT, f"{answers[-1].status} is never kept: {answers[-1].body!r}"
        return is_kept(answers[-1])

    wait_for(is_given, "an answer that is kept")
    return answers[-1]


@contextmanager
def lively(api: Api) -> Iterator[None]:
    """Another user sends requests all the time, which keep the lease alive.

    Requests of the user in question would renew what is kept for that user.
    """
    person, ended = api.person(), False

    def ask() -> None:
        connection = connect(api)
        while not ended:
            for _ in range(10):
                connection.get(OWN, bearer(person))
        connection.close()

    connection = connect(api)
    with ThreadPoolExecutor(2) as pool:
        try:
            for _ in range(2):
                pool.submit(ask)
            kept(lambda: connection.get(OWN, bearer(person)))
            yield
        finally:
            ended = True
            connection.close()


def steady(response: Response) -> tuple[int, list[tuple[str, str]], bytes]:
    """The response without what differs between two answers to the same request; an error repeats the request id."""
    changing = {"date", "x-request-id", "ratelimit"} | ({"content-length"} if response.status >= 400 else set())
    return response.status, [(n, "*" if n in changing else v) for n, v in response.headers], response.body
