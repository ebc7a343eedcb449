"""The worker process: procrastinate's loop over our queue, with signals, heartbeat, upkeep and live settings."""

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from procrastinate import App, BaseRetryStrategy, JobContext, RetryDecision
from procrastinate.exceptions import JobAborted
from procrastinate.jobs import Job
from procrastinate.worker import Worker

from app.alerts.digests import service as digests
from app.alerts.matching import service as matching
from app.config import CONCURRENCY_MOST
from app.infra.background.ticker import Ticker
from app.infra.cooperative import install
from app.tasks.task import Duty, PermanentFailure
from app.worker.attempt import Attempt
from app.worker.duties import Parts
from app.worker.exposition import Probes, TaskMetrics
from app.worker.fenced_queue import FencedQueue
from app.worker.pulse import BEATS, Pulse

log = logging.getLogger(__name__)

LIBRARY_LOGS = {
    "procrastinate": logging.WARNING,
    "procrastinate.worker": logging.CRITICAL,  # the arguments of tasks, which may be secret
    "procrastinate.worker.worker": logging.WARNING,
}
POLL_S = 0.25
CANCELLED_POLL_S = 2.0
DRAINED_BEFORE_S = 1.0
"""How long before the end of the grace period a worker that still runs tasks gives up waiting for them."""


class Policy(BaseRetryStrategy):
    """Tries a task again as its declaration says."""

    def __init__(self, duty: Duty) -> None:
        self._retries = duty.task.retries

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if isinstance(exception, PermanentFailure | JobAborted):
            return None
        wait_s = self._retries.wait_s(job.attempts + 1)
        return None if wait_s is None else RetryDecision(retry_at=datetime.now(UTC) + timedelta(seconds=wait_s))


class WorkerProcess:
    """Does the tasks of `duties` until SIGTERM or SIGINT, then those that it has begun."""

    def __init__(self, parts: Parts, duties: Sequence[Duty]) -> None:
        self._parts = parts
        names = [duty.task.name for duty in duties]
        self._threads = ThreadPoolExecutor(CONCURRENCY_MOST, "task")
        self._pulse = Pulse(parts.store, parts.settings.tasks_silent_seconds, restart)
        self._metrics = TaskMetrics(parts, names, lambda: len(self._queue.running))
        self._queue = FencedQueue(parts.store, names, self._pulse, restart, self._metrics.settled)
        self._probes = Probes(self._metrics, self._unready)
        parts.upkeep.retries = {duty.task.name: duty.task.retries for duty in duties}
        self._worker = self._of(duties)

    def run(self) -> None:
        """Return when every task that was begun is done."""
        settings = self._parts.settings
        if settings.tasks_port:
            self._probes.serve(settings.host, settings.tasks_port)
        tickers = [self._ticker(), *self._alerting()]
        for ticker in tickers:
            ticker.start()
        try:
            asyncio.run(self._run())
        finally:
            for ticker in tickers:
                ticker.stop()
            self._parts.close()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(each, self._drain)

        self._parts.tuning.subscribe(
            lambda tuning: loop.call_soon_threadsafe(self._queue.limit, tuning.tasks.concurrency)
        )
        self._queue.limit(self._parts.tuning.current.tasks.concurrency)
        watched = asyncio.create_task(self._watched())
        try:
            await self._worker.run()  # type: ignore[no-untyped-call]
        finally:
            watched.cancel()

    async def _watched(self) -> None:
        while True:
            self._probes.seen()
            await asyncio.sleep(1.0)

    def _unready(self) -> str:
        """Why the worker takes no tasks, or nothing."""
        age_s = self._pulse.age_s
        if age_s is None:
            return "the database has not answered yet"
        silent_s = self._parts.settings.tasks_silent_seconds
        return f"no heartbeat for {age_s:.0f} s" if age_s > silent_s / 2 else ""

    def _drain(self) -> None:
        """Begin nothing more. At the end of the grace period the process ends, and others take what still runs."""
        log.info("stopping once %d tasks are done", len(self._queue.running))
        self._queue.stop()
        self._parts.matcher.stop()
        self._parts.digests.stop()
        self._worker.stop()  # type: ignore[no-untyped-call]
        grace_s = max(self._parts.settings.graceful_timeout - DRAINED_BEFORE_S, 0.0)
        timer = threading.Timer(grace_s, _give_up, [self._queue])
        timer.daemon = True
        timer.start()

    def _ticker(self) -> Ticker:
        ticker, parts = Ticker(), self._parts
        silent_s = parts.settings.tasks_silent_seconds
        ticker.every(1.0, parts.tuning.poll, "tuning")
        ticker.every(30.0, parts.database.prune, "idle connections")
        ticker.every(silent_s / BEATS, parts.upkeep.take_over, "abandoned tasks")
        return ticker

    def _alerting(self) -> list[Ticker]:
        """Each in a thread of its own, as it may have much to do while other work is due."""
        parts, matcher, maker = self._parts, Ticker(), Ticker()
        matcher.every(matching.TICK_S, parts.matcher.tick, "matching of saved searches")
        if parts.mail is not None:
            maker.every(digests.TICK_S, parts.digests.tick, "digests of saved searches")
        return [matcher, maker]

    def _of(self, duties: Sequence[Duty]) -> Worker:
        app = App(connector=self._queue.connector)
        app.job_manager = self._queue
        for duty in duties:
            name, priority = duty.task.name, duty.task.priority
            named = app.task(name=name, queue=name, priority=priority, retry=Policy(duty), pass_context=True)
            task = named(self._body(duty))
            if duty.cron is not None:
                app.periodic_registry.register_task(task, duty.cron, "", {})
        return Worker(
            app,
            concurrency=CONCURRENCY_MOST,
            fetch_job_polling_interval=POLL_S,
            abort_job_polling_interval=CANCELLED_POLL_S,
            listen_notify=False,
            install_signal_handlers=False,
            delete_jobs="successful",
        )

    def _body(self, duty: Duty) -> Callable[..., Awaitable[None]]:
        async def body(context: JobContext, /, **args: object) -> None:
            try:
                await Attempt(duty, args, restart).run(self._threads)
            except asyncio.CancelledError:
                raise JobAborted from None
            except Exception as error:
                assert context.job.id is not None  # noqa: S101 - it was taken from the queue
                self._queue.reasons[context.job.id] = f"{type(error).__name__}: {error}"
                raise

        return body


def restart(reason: str) -> NoReturn:
    """Replace this process by a new one with the same arguments: every thread ends at once, whatever it does."""
    log.error("the worker starts again: %s", reason)
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606


def _give_up(queue: FencedQueue) -> None:
    log.error("the grace period is over; other workers take %d tasks", len(queue.running))
    os._exit(1)


def work(parts: Parts, duties: Sequence[Duty]) -> int:
    """Run a worker process; returns its exit code."""
    install("threads")
    for name, level in LIBRARY_LOGS.items():
        logging.getLogger(name).setLevel(level)
    WorkerProcess(parts, duties).run()
    return 0
