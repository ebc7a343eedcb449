"""Correct applications: for the leak checks, and one whose answers the server keeps."""

import random
from array import array
from collections.abc import Iterable, Iterator

from app.infra import cooperative
from app.server.framing import Environ, StartResponse
from tests.fuzz.mutations import kept_body

BIG = bytes(2_000_000)


def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Serves `/pages/<name>`."""
    name = environ["PATH_INFO"].removeprefix("/pages/")
    if name == "stream":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return stream()
    if name == "sleep":
        cooperative.sleep(0.01)
    body = BIG if name == "big" else b"hello"
    if name == "upload":
        body = str(len(environ["wsgi.input"].read())).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def stream() -> Iterator[bytes]:
    """Half a megabyte in parts, with a wait."""
    for number in range(50):
        if number == 25:
            cooperative.sleep(0.001)
        yield bytes(10_000)


FAR_US = 1 << 60
_cells = array("d", [0.0] * 64)
_chance = random.Random(1)


def keep_answers() -> None:
    """Let the server keep answers from now on, in little memory; called once."""
    from meinheld import server

    server.answers_configure(_cells, 5, 6, (0.001, 1.0), 0.0, "fuzz")
    server.answers_bound(200_000)
    server.answers_looked(1, None, FAR_US, FAR_US)


def kept(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """A page for its token, or for everybody without one, that the server keeps; now and then some of them change."""
    from meinheld import server

    path, token = environ["PATH_INFO"], environ.get("HTTP_AUTHORIZATION", "")
    if _chance.random() < 0.05:
        server.answers_looked(1, _chance.choice(([path], [token], ["/kept/1", "/kept/2"], None)), FAR_US, FAR_US)
    if "jobfinder.wish" in environ:
        client = ([token] if token else []), FAR_US, FAR_US, (), None
        page = [path], FAR_US, FAR_US, ((40, 1),), None
        parts = ((tuple(keys), *rest) for keys, *rest in (client, page))
        server.answers_prove(environ["jobfinder.wish"], 1, *parts, 10, not token)
    body = kept_body(path, token)
    headers = [("X-Request-ID", "made"), ("X-Content-Type-Options", "nosniff"), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [body]
