"""The gunicorn worker that serves with the repaired meinheld: each request is a greenlet of one loop."""

import os
import sys
import traceback
from collections.abc import Iterable
from types import FrameType, TracebackType
from typing import Any

from gunicorn.glogging import Logger  # type: ignore[import-untyped]
from gunicorn.workers.base import Worker  # type: ignore[import-untyped]
from meinheld import server

from app.config import Settings
from app.infra.machine.descriptors import most_clients
from app.server.framing import Environ, StartResponse

IDLE_LINGER_S = 1.0


class MeinheldWorker(Worker):  # type: ignore[misc]
    """Serves until SIGTERM, then answers the accepted requests; is replaced after `max_requests`."""

    stopping = False
    slot = 0

    def run(self) -> None:
        """Serve; returns when the last request has been answered."""
        configure(self.app.settings, self.cfg.worker_connections)
        server.body_limits(self.app.body_limit, self.app.settings.body_memory)
        server.refusal_lines(self.app.refusal_lines)
        server.set_error_logger(_ErrorLog(self.log))
        server.set_listen_socket([each.fileno() for each in self.sockets])
        server.set_watchdog(self.tick)
        server.share_counts(self.app.connections.counts, self.slot)
        application = self._counted if self.cfg.max_requests > 0 else self.wsgi
        self.notify()  # the master does not time out a worker that has never sent a heartbeat
        server.run(application, *self.PIPE)

    def tick(self) -> None:
        """Called once a second in the loop: sends the heartbeat, which stops when the loop hangs."""
        self.notify()
        if self.cfg.max_requests > 0:
            self._replace_after(self.nr + server.answers_stats()["given"])
        if self.ppid != os.getppid():
            self.log.warning("The master is gone; worker %s stops", self.pid)
            self.stop()

    def stop(self) -> None:
        """Take no more connections and answer the requests under way, within the graceful timeout."""
        if not self.stopping:
            self.stopping, self.alive = True, False
            server.stop(max(self.cfg.graceful_timeout - 1, 1), IDLE_LINGER_S, self._close_listeners)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM."""
        self.stop()

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """SIGQUIT, SIGINT: stop now."""
        self.alive = False
        server.stop(0, 0, self._close_listeners)

    def handle_abort(self, sig: int, frame: FrameType | None) -> None:
        """SIGABRT, sent by the master when the loop hangs: log the stack and exit, without raising in the request."""
        self.alive = False
        self.log.critical("Worker %s hangs:\n%s", self.pid, "".join(traceback.format_stack(frame)))
        self.cfg.worker_abort(self)
        sys.stderr.flush()
        os._exit(1)

    def _close_listeners(self) -> None:
        for each in self.sockets:
            each.close()

    def _counted(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        self.nr += 1
        self._replace_after(self.nr)
        body: Iterable[bytes] = self.wsgi(environ, start_response)
        return body

    def _replace_after(self, served: int) -> None:
        if served >= self.max_requests and not self.stopping:
            self.log.info("Worker %s has served its %s requests", self.pid, served)
            self.stop()


def configure(settings: Settings, descriptors: int) -> None:
    """Set the limits of this process's server; the log of requests is the application's."""
    server.set_access_logger(None)
    server.set_keepalive(settings.keepalive)
    server.set_picoev_max_fd(descriptors)
    server.set_max_clients(most_clients(descriptors))
    server.set_header_timeout(settings.header_timeout)
    server.set_body_timeout(settings.body_timeout)
    server.set_write_timeout(settings.body_timeout)


class _ErrorLog:
    """The error logger that meinheld calls when the application, or reading from a client, raises."""

    def __init__(self, log: Logger) -> None:
        self._log = log

    def error(self, kind: type[BaseException], error: BaseException | None, at: TracebackType | None) -> None:
        info: Any = (kind, error, at)
        self._log.error("A request failed", exc_info=info)
