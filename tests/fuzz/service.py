"""Serves the applications of `shapes.py` with the service's server; `process.py` starts it with JSON settings."""

import gc
import json
import logging
import os
import signal
import socket
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from greenlet import greenlet

from app.config import Settings
from app.server.framing import Application, Environ, StartResponse, framed
from app.server.gunicorn_app import Service
from tests.fuzz import pages, shapes, wrong

failures: Counter[str] = Counter()
served: Counter[str] = Counter()


def count_failure(record: logging.LogRecord) -> bool:
    """Count failures of requests instead of logging them."""
    if record.exc_info is None:
        return True
    kind = record.exc_info[0]
    failures[kind.__name__ if kind else "none"] += 1
    return False


def references(environ: Environ) -> dict[str, int]:
    """The reference counts of objects that requests share."""
    shared: list[Any] = [
        None,
        True,
        False,
        "",
        b"",
        (),
        0,
        1,
        sys.stderr,
        greenlet,
        *environ,
        "GET",
        "HTTP/1.1",
        "http",
    ]
    shared.extend(environ[name] for name in ("REQUEST_METHOD", "SERVER_PROTOCOL", "SERVER_NAME", "wsgi.version"))
    return {f"{number} {str(each)[:40]}": sys.getrefcount(each) for number, each in enumerate(shared)}


def state(environ: Environ) -> dict[str, Any]:
    """The worker's resources after a garbage collection."""
    from meinheld import server

    shapes.LEFT.clear()
    shapes.EVENTS.clear()
    gc.collect()
    return {
        "pid": os.getpid(),
        "clients": server.client_count(),
        "descriptors": sum(1 for _ in Path("/proc/self/fd").iterdir()) - 1,
        "objects": len(gc.get_objects()),
        "greenlets": sum(isinstance(each, greenlet) for each in gc.get_objects()),
        "blocks": sys.getallocatedblocks(),
        "references": references(environ),
        "failures": dict(failures),
        "served": dict(served),
        "answers": server.answers_stats(),
    }


class FuzzedService(Service):
    """Serves /bare without the service's framing layer, and all other paths with it."""

    def load(self) -> Application:
        """Called by gunicorn in the worker."""
        logging.getLogger("gunicorn.error").addFilter(count_failure)
        from meinheld import server

        shapes.SHARED.extend((server.Waiter(), *socket.socketpair()))
        pages.keep_answers()
        whole = super().load()
        sound, kept_page = framed(pages.application), framed(pages.kept)

        def call(environ: Environ, start_response: StartResponse) -> Any:
            path = environ["PATH_INFO"]
            if path == "/state":
                answer = json.dumps(state(environ)).encode()
                start_response("200 OK", [("Content-Length", str(len(answer)))])
                return [answer]
            if path.startswith("/pages/"):
                return sound(environ, start_response)
            if path.startswith("/kept/"):
                return kept_page(environ, start_response)
            if path.startswith("/wrong/"):
                return wrong.application(environ, start_response)
            bare = path.startswith("/bare")
            served["bare" if bare else "whole"] += 1
            return (shapes.application if bare else whole)(environ, start_response)

        return call


def body_limit(method: str, path: str) -> int:
    """The limit in bytes; larger for the uploads of the leak checks."""
    return 1_048_576 if path.startswith("/pages/") else 100_000


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stderr.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    Path("/proc/self/oom_score_adj").write_text("500")
    FuzzedService(Settings(**json.loads(sys.argv[1])), lambda slot: shapes.application, body_limit).run()
