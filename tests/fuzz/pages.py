"""A correct application, for the leak checks."""

from collections.abc import Iterable, Iterator

from app.infra import cooperative
from app.server.framing import Environ, StartResponse

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
