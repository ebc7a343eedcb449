"""The probe application as `probe_app.py` has it, whose server keeps every answer that it may; or none, to compare."""

import json
import sys
import time
from array import array
from collections.abc import Callable, Iterable
from typing import Any

from app.config import Settings
from app.infra import cooperative
from app.server.gunicorn_app import Service
from tests.integration.conformance import probe_app
from tests.integration.conformance.probe_app import Environ

FAR_US = 1 << 60
PART = ((), FAR_US, FAR_US, (), None)


def application(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Adds the headers that every answer of the service has."""
    if "jobfinder.wish" in environ:
        from meinheld import server

        server.answers_prove(environ["jobfinder.wish"], 1, PART, PART, 10, True)

    def start(status: str, headers: list[tuple[str, str]]) -> Any:
        named = environ.get("HTTP_X_REQUEST_ID", "made")
        return start_response(status, [("X-Request-ID", named), ("X-Content-Type-Options", "nosniff"), *headers])

    return probe_app.application(environ, start)


class Keeping(Service):
    """With the first argument "keep" the server keeps answers, for ever."""

    def load(self) -> Any:
        """Called by gunicorn in the worker."""
        from meinheld import server

        probe_app.sleep = cooperative.sleep
        if sys.argv[1] == "keep":
            server.answers_configure(array("d", [0.0] * 64), 5, 6, (1.0,), 0.0, "kept")
            server.answers_bound(16_777_216)
            until_us = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000 + 10**12
            server.answers_looked(1, None, until_us, until_us)
        return super().load()


if __name__ == "__main__":
    Keeping(Settings(**json.loads(sys.argv[2])), lambda slot: application, lambda method, path: 100_000).run()
