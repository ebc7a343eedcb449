"""Probes: /healthz fails when a loop of the operator is stuck, /readyz until the operator has started."""

import socket
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from jobfinder_operator.config import EVERY_ADDRESS


class Pulse:
    """The last beat of each loop; `stale` lists the loops that are overdue."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._beats: dict[str, tuple[float, float]] = {}
        self.ready = False

    def beat(self, loop: str, within_s: float) -> None:
        """Record that the loop is alive; its next beat is due within `within_s` seconds."""
        self._beats[loop] = (self._clock(), within_s)

    def forget(self, loop: str) -> None:
        """Remove a loop that has ended normally."""
        self._beats.pop(loop, None)

    def stale(self) -> Mapping[str, float]:
        """Seconds since the last beat of each loop that is overdue."""
        now = self._clock()
        ages = {loop: (now - beaten, within_s) for loop, (beaten, within_s) in tuple(self._beats.items())}
        return {loop: age for loop, (age, within_s) in ages.items() if age > within_s}


class _Server(ThreadingHTTPServer):
    address_family = socket.AF_INET6 if ":" in EVERY_ADDRESS else socket.AF_INET


class HealthServer:
    """Responds in its own thread, because a blocked event loop could not."""

    def __init__(self, pulse: Pulse, port: int) -> None:
        self._server = _Server((EVERY_ADDRESS, port), _handler(pulse))
        self._server.daemon_threads = True
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, name="health", daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(pulse: Pulse) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5

        def do_GET(self) -> None:
            status, text = _answer(pulse, self.path)
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            pass

    return Handler


def _answer(pulse: Pulse, path: str) -> tuple[int, str]:
    if path == "/readyz":
        return (200, "ready\n") if pulse.ready else (503, "starting\n")
    if path != "/healthz":
        return 404, "there are /healthz and /readyz\n"
    stale = pulse.stale()
    if not stale:
        return 200, "ok\n"
    return 503, "".join(f"{loop} has not come around for {age:.0f} s\n" for loop, age in sorted(stale.items()))
