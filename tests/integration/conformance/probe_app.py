"""A WSGI application that records its requests; run with settings, it serves itself as the service does."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Environ = dict[str, Any]
HIDDEN = ("/seen", "/sentinel")
seen: list[dict[str, str]] = []
sleep: Callable[[float], None] = time.sleep


def application(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answers by path; `/seen` returns and clears the requests recorded since the last call."""
    path = environ["PATH_INFO"]
    body = environ["wsgi.input"].read()
    if path == "/seen":
        answer = json.dumps({"pid": os.getpid(), "requests": seen}).encode()
        seen.clear()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
        return [answer]
    if path not in HIDDEN:
        shown = {name: value for name, value in environ.items() if isinstance(value, str)}
        seen.append(shown | {"body": body.decode("latin-1")})
    return answers(path, start_response)


def answers(path: str, start_response: Callable[..., Any]) -> Iterable[bytes]:
    if path in ("/204", "/304"):
        start_response(f"{path[1:]} Bodiless", [("ETag", '"1"')])
        return [b"unwanted"]
    if path in ("/stream", "/gaps"):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return parts([b"first", b"second"] if path == "/stream" else [b"", b"first", b"", b"second", b""])
    if path == "/short":
        start_response("200 OK", [("Content-Length", "5")])
        return parts([b"12"])
    if path == "/fail":
        raise ValueError("on purpose")
    if path == "/slow":
        sleep(0.2)
    body = {"/empty": b"", "/longer": b"12345", "/length": b"12345"}.get(path, path.encode("latin-1"))
    length = "2" if path == "/longer" else str(len(body))
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", length)])
    return [body] if body else []


def parts(each: list[bytes]) -> Iterator[bytes]:
    yield from each


if __name__ == "__main__":
    from app.config import Settings
    from app.infra import cooperative
    from app.server.gunicorn_app import serve

    sleep = cooperative.sleep
    serve(Settings(**json.loads(sys.argv[1])), lambda slot: application, lambda method, path: 100_000)
