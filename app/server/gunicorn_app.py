"""Runs the service under gunicorn: a master that keeps the workers alive, and workers that serve the application."""

import gc
import logging
import mmap
import struct
from collections.abc import Callable
from typing import Any

from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]
from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]
from gunicorn.config import Config  # type: ignore[import-untyped]
from gunicorn.glogging import Logger  # type: ignore[import-untyped]
from gunicorn.workers.base import Worker  # type: ignore[import-untyped]

from app.config import Settings
from app.errors import ConfigError
from app.infra import cooperative
from app.infra.machine.workers import slots_of, worker_count
from app.main import OpenAnswers
from app.server.bodies import BodyLimit
from app.server.framing import Application, framed
from app.server.meinheld.problems import origin_lines
from app.server.prefix import limit_under_prefix, under_prefix
from app.server.proxy import trust_proxies
from app.server.settings import options

BODY_MEMORY_LEAST = 1_048_576
COUNT = struct.Struct("i")
BuildApp = Callable[[int], Application]


def serve(settings: Settings, build_app: BuildApp, body_limit: BodyLimit) -> None:
    """Serve until a signal ends the process; raises ConfigError for invalid settings.

    `body_limit(method, path)` is the largest allowed body in bytes.

    `build_app(slot)` makes the WSGI application in each worker after the fork. Slots number the living workers from 0
    without gaps; a worker's replacement gets its slot, so that statistics shared between the processes go on. Where the
    application has a `close`, it is called when its worker ends.
    """
    if settings.body_memory < BODY_MEMORY_LEAST:
        raise ConfigError(f"BODY_MEMORY: at least {BODY_MEMORY_LEAST} is needed")
    Service(settings, build_app, body_limit).run()


class Service(BaseApplication):  # type: ignore[misc]
    """gunicorn's view of the service; workers find the settings here."""

    def __init__(self, settings: Settings, build_app: BuildApp, body_limit: BodyLimit) -> None:
        self.settings, self.build_app = settings, build_app
        self.body_limit = limit_under_prefix(body_limit, settings.path_prefix)
        self.refusal_lines = origin_lines(settings.cors_origins)
        self.slot = 0
        self.connections = Connections(slots_of(worker_count(settings.workers)))
        self.application: Application | None = None
        super().__init__()

    def run(self) -> None:
        """Called by `serve`."""
        Master(self).run()

    def load_config(self) -> None:
        """Called by gunicorn, at the start and on SIGHUP."""
        chosen = options(self.settings) | {
            "worker_class": worker_class(self.settings),
            "logger_class": PropagatingLogger,
            "pre_fork": assign_slot,
            "post_fork": self.post_fork,
            "post_worker_init": forget_garbage,
            "worker_exit": self.worker_exit,
            "child_exit": self.child_exit,
        }
        for name, value in chosen.items():
            self.cfg.set(name, value)

    def load(self) -> Application:
        """The application of this worker, wrapped in the middleware."""
        self.application = self.build_app(self.slot)
        wrapped = trust_proxies(
            under_prefix(self.application, self.settings.path_prefix), self.settings.trusted_proxies
        )
        if self.settings.worker == "gthread":
            from app.server.threads import whole_requests  # noqa: PLC0415 - gunicorn's thread worker is not always needed

            wrapped = whole_requests(wrapped, self.body_limit)
        return framed(wrapped)

    def post_fork(self, arbiter: Arbiter, worker: Worker) -> None:
        """Called in the new worker."""
        self.slot = worker.slot
        cooperative.install("meinheld" if self.settings.worker == "meinheld" else "threads")

    def child_exit(self, arbiter: Arbiter, worker: Worker) -> None:
        """Called in the master when a worker has ended for whatever reason."""
        self.connections.forget(worker.slot)

    def worker_exit(self, arbiter: Arbiter, worker: Worker) -> None:
        """Called in the worker at its end."""
        close = getattr(self.application, "close", None)
        if close is not None:
            close()


class Master(Arbiter):  # type: ignore[misc]
    """gunicorn's master, limited to two generations of workers at a time: there are no slots for a third."""

    def handle_hup(self) -> None:
        """SIGHUP: start a new generation, unless workers of the last reload are still ending."""
        if len(self.WORKERS) > self.cfg.workers:
            self.log.warning("Not reloaded: workers of the last reload are still ending; send SIGHUP again later")
            return
        super().handle_hup()

    def handle_ttin(self) -> None:
        """SIGTTIN: add a worker, up to the setting WORKERS."""
        if self.num_workers < self.cfg.workers:
            super().handle_ttin()
        else:
            self.log.warning("No worker more: WORKERS is %s", self.cfg.workers)


class Connections:
    """The number of connections of each worker, in shared memory; workers use it to balance new ones."""

    def __init__(self, slots: int) -> None:
        self.counts = mmap.mmap(-1, slots * COUNT.size)
        for slot in range(slots):
            self.forget(slot)

    def forget(self, slot: int) -> None:
        """Mark the slot as having no worker that accepts connections."""
        COUNT.pack_into(self.counts, slot * COUNT.size, -1)


def worker_class(settings: Settings) -> type[Worker]:
    """The class that the setting `WORKER` names; meinheld is imported only if it is used."""
    if settings.worker == "gthread":
        from app.server.threads import LimitedThreadWorker  # noqa: PLC0415

        return LimitedThreadWorker
    from app.server.worker import MeinheldWorker  # noqa: PLC0415

    return MeinheldWorker


def open_answers(settings: Settings) -> OpenAnswers | None:
    """Makes the answers that the server of a worker keeps; None for a server that keeps none."""
    if settings.worker == "gthread":
        return None
    from app.server.answers import ServerAnswers  # noqa: PLC0415

    return ServerAnswers


def assign_slot(arbiter: Arbiter, worker: Worker) -> None:
    """Give the worker that is about to be forked the lowest number that no living worker has."""
    taken = {each.slot for each in arbiter.WORKERS.values()}
    worker.slot = next(slot for slot in range(len(taken) + 1) if slot not in taken)


def forget_garbage(worker: Worker) -> None:
    """Exclude the objects built at the start from later garbage collections."""
    gc.collect()
    gc.freeze()


class PropagatingLogger(Logger):  # type: ignore[misc]
    """gunicorn's log, written by the root logger's handlers if there are any, else by gunicorn's own."""

    def setup(self, cfg: Config) -> None:
        """Called by gunicorn, at the start and on SIGHUP."""
        super().setup(cfg)
        if logging.getLogger().handlers:
            for handler in list(self.error_log.handlers):
                self.error_log.removeHandler(handler)
            self.error_log.propagate = True

    def access(self, *args: Any, **kwargs: Any) -> None:
        """Does nothing: the application logs requests."""
