"""A WSGI application whose answers the server keeps as the test says, step by step; started by `serving.py`."""

import ctypes
import json
import signal
import sys
import time
from array import array
from collections.abc import Callable, Iterable
from typing import Any

from app.config import Settings
from app.server.framing import Environ, StartResponse
from app.server.gunicorn_app import Service

SUM, BUCKET, ROUTE, FACT = 5, 6, 10, 40
"""Places in `cells`: the sum of seconds and the first bucket behind the route's, the route's, and that of one fact."""
FAR_MS = 600_000.0
TOKEN, PEER = "HTTP_AUTHORIZATION", "REMOTE_ADDR"

cells = array("d", [0.0] * 64)
versions: dict[str, int] = {}
allowances: "dict[str, array[int]]" = {}
pages: dict[str, dict[str, Any]] = {}
requests = 0


def now_us() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


def looked(position: int, keys: list[str] | None, until_ms: float = FAR_MS, ahead_ms: float = FAR_MS) -> None:
    """A look that began now."""
    from meinheld import server

    began = now_us()
    server.answers_looked(position, keys, began + int(until_ms * 1000), began + int(ahead_ms * 1000))


def misled(position: int) -> bool:
    """A look that began now, whose keys cannot be read: whether that is an error."""
    try:
        looked(position, 0)  # type: ignore[arg-type]
    except TypeError:
        return True
    return False


def lower(until_ms: float) -> None:
    """End the lease so long after now at the latest."""
    from meinheld import server

    server.answers_lower(now_us() + int(until_ms * 1000))


def forget(keys: list[str] | None) -> None:
    from meinheld import server

    server.answers_forget(keys)


def bound(size: int) -> None:
    from meinheld import server

    server.answers_bound(size)


def change(key: str) -> None:
    """What answers show of the key from now on."""
    versions[key] = versions.get(key, 0) + 1


def page(path: str, how: dict[str, Any]) -> None:
    """How answers to `path` are made from now on."""
    pages[path] = how


def allow(name: str, left: int, window: int = 0) -> None:
    """Requests that are left in the allowance of this name, in this minute or another one."""
    given = allowances.setdefault(name, array("q", (0, 0)))
    given[0], given[1] = left, int(time.time()) // 60 + window


def forget_allowance(name: str) -> None:
    """As a limiter forgets one that was not used for long; what is kept has the former one."""
    del allowances[name]


def left(name: str) -> int:
    return allowances[name][0]


def block(ms: float) -> None:
    """Let no other request be served meanwhile."""
    time.sleep(ms / 1000)


def timed(name: str, *arguments: Any) -> float:
    """Milliseconds of processor time of a call of the function `name`."""
    began = time.thread_time()
    CALLS[name](*arguments)
    return (time.thread_time() - began) * 1000


def stats() -> dict[str, int]:
    from meinheld import server

    found: dict[str, int] = server.answers_stats()
    return found


def counted() -> list[float]:
    return list(cells)


def shown() -> dict[str, int]:
    return versions


def gives_back() -> bool:
    """Whether malloc gives memory back to the system at once when all at the end of the heap has been freed."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = libc.sbrk.restype = ctypes.c_void_p
    libc.free.argtypes = [ctypes.c_void_p]
    blocks = [libc.malloc(100_000) for _ in range(100)]
    end = libc.sbrk(0)
    for block in blocks:
        libc.free(block)
    return bool(libc.sbrk(0) < end)


CALLS: dict[str, Callable[..., Any]] = {
    each.__name__: each
    for each in (
        looked,
        misled,
        lower,
        forget,
        bound,
        change,
        page,
        allow,
        forget_allowance,
        left,
        block,
        timed,
        stats,
        counted,
        shown,
        gives_back,
    )
}


def do(calls: Iterable[list[Any]]) -> list[Any]:
    """Call each function by its name with its arguments; returns what they return."""
    return [CALLS[name](*arguments) for name, *arguments in calls]


def prove(environ: Environ, how: dict[str, Any]) -> None:
    """The answer rests on `keys`, and its client on `client`, at `position`; they hold for `page_ms` and so on."""
    from meinheld import server

    until_us, now_s = now_us(), int(time.time())

    def part(name: str, counted: tuple[tuple[int, int], ...], keys: list[str], allowance: "array[int] | None") -> Any:
        expires_us = until_us + int(how.get(f"{name}_ms", FAR_MS) * 1000)
        return tuple(keys), expires_us, now_s + how.get(f"{name}_s", 3600), counted, allowance

    # The keys of a client: what it sends, so that a test can end one token.
    client = [environ[TOKEN]] if TOKEN in environ else []
    allowance = allowances[how["allowance"].replace("TOKEN", environ.get(TOKEN, ""))] if "allowance" in how else None
    server.answers_prove(
        environ["jobfinder.wish"],
        how.get("position", 1),
        part("client", (), client, allowance),
        part("page", ((FACT, 3),), how.get("keys", []), None),
        ROUTE,
        how.get("for_all", TOKEN not in environ),
    )


def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    global requests  # noqa: PLW0603 the number of requests that came here
    requests += 1
    path = environ["PATH_INFO"]
    status, body, how = "200 OK", b"", pages.get(path, {})
    if path == "/do":
        body = json.dumps(do(json.loads(environ["wsgi.input"].read()))).encode()
    elif environ.get(TOKEN) == "bad":
        status, body = "401 Unauthorized", b"{}"
    else:
        do(how.get("before", ()))
        body = json.dumps(_shown(environ, how)).encode()
    if "jobfinder.wish" in environ and path in pages and not how.get("unproven"):
        prove(environ, how)
        do(how.get("between", ()))
    given_id = environ.get("HTTP_X_REQUEST_ID", f"app-{requests}")
    headers = [("content-type", "application/json"), ("x-request-id", given_id)]
    if "allowance" in how and TOKEN in environ:
        headers.append(("ratelimit", '"user";r=0;t=1'))
    headers.append(("x-content-type-options", "nosniff"))
    status = how.get("status", status)
    if status.startswith("304"):
        body = b""
    else:
        headers.append(("content-length", str(len(body))))
    start_response(status, headers + [tuple(each) for each in how.get("extra", ())])
    return [body]


def _shown(environ: Environ, how: dict[str, Any]) -> dict[str, Any]:
    shown = {
        "made": requests,
        "path": environ["PATH_INFO"],
        "versions": {key: versions.get(key, 0) for key in how.get("keys", ())},
        "sampled": environ.get("jobfinder.sampled", False),
        "filling": "x" * how.get("size", 0),
    }
    return shown if how.get("for_all") else shown | {"token": environ.get(TOKEN)}


class Keeping(Service):
    """Keeps answers in the server, and logs the share of the requests that the first argument says."""

    def load(self) -> Any:
        """Called by gunicorn in the worker."""
        from meinheld import server

        server.answers_configure(cells, SUM, BUCKET, (0.001, 1.0), float(sys.argv[1]), "app")
        bound(16_777_216)
        return super().load()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Keeping(Settings(**json.loads(sys.argv[2])), lambda slot: application, lambda method, path: 1_048_576).run()
