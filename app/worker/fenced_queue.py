"""The queue as procrastinate's worker sees it: outages are waited out, and only a task's present worker settles it."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, NoReturn, Protocol, TypeVar

from procrastinate.connector import BaseAsyncConnector
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager

from app.errors import Unavailable
from app.tasks.store import QueueStore, Taken

log = logging.getLogger(__name__)

T = TypeVar("T")

PAUSE_S = 0.5
RECONCILE_S = 10.0
QUERIES_AT_ONCE = 4
REASON_MOST = 2000
Settled = Callable[[str, str, float], object]


class Life(Protocol):
    """What is used of `Pulse`."""

    def start(self, worker: int) -> None: ...

    def stop(self) -> None: ...


class FencedQueue(JobManager):
    """Replaces procrastinate's queries by ours.

    `running` are the ids of tasks that this worker does. `restart` replaces the process; `settled` is told the task's
    name, its outcome and its duration in seconds.
    """

    def __init__(
        self, store: QueueStore, names: Sequence[str], pulse: Life, restart: Callable[[str], NoReturn], settled: Settled
    ) -> None:
        super().__init__(BaseAsyncConnector())
        self._store, self._names, self._pulse = store, list(names), pulse
        self._restart, self._settled = restart, settled
        self._executor = ThreadPoolExecutor(QUERIES_AT_ONCE, "queue")
        self._changed = asyncio.Event()
        self._stopping = False
        self._reconcile_at, self._worker = 0.0, 0
        self._started: dict[int, float] = {}
        self.reasons: dict[int, str] = {}
        self.concurrency = 1

    @property
    def running(self) -> list[int]:
        return list(self._started)

    def stop(self) -> None:
        """Take no more tasks; to be called in the event loop."""
        self._stopping = True
        self._changed.set()

    def limit(self, concurrency: int) -> None:
        """Do so many tasks at once from now on; those that run are not interrupted. To be called in the event loop."""
        self.concurrency = concurrency
        self._changed.set()

    async def register_worker(self) -> int:
        """The number of this worker, as soon as the database answers."""
        self._worker = await self._patiently(self._store.register)
        self._pulse.start(self._worker)
        return self._worker

    async def unregister_worker(self, worker_id: int) -> None:
        self._pulse.stop()
        try:
            await self._ask(self._store.unregister, worker_id)
        except Unavailable:
            log.info("the database does not answer; other workers will notice that this one has ended")

    async def prune_stalled_workers(self, seconds_since_heartbeat: float) -> list[int]:
        """Done by `Upkeep`."""
        return []

    async def update_heartbeat(self, worker_id: int) -> None:
        """Done by `Pulse`, which also beats while the worker drains."""

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        """The next task, once fewer run than `concurrency`; None when none is due, or the worker is to stop."""
        while not self._stopping:
            if len(self._started) >= self.concurrency:
                self._changed.clear()
                await self._changed.wait()
                continue
            try:
                await self._reconcile(worker_id)
                taken = await self._ask(self._store.fetch, self._names, worker_id)
            except Unavailable:
                self._reconcile_at = 0.0
                await asyncio.sleep(PAUSE_S)
                continue
            if taken is None:
                return None
            self._started[taken.id] = time.monotonic()
            return _job(taken, worker_id)
        return None

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:
        """Remove a task that is done; keep any other one with the reason."""
        number, worker = _numbers(job)
        if status is Status.SUCCEEDED:
            mine = await self._patiently(self._store.succeed, number, worker)
        else:
            reason = "cancelled" if status is Status.ABORTED else self._reason(number)
            mine = await self._patiently(self._store.fail, number, worker, reason, status.value)
        self._end(job, status.value, mine)

    async def retry_job(
        self,
        job: Job,
        retry_at: datetime | None = None,
        priority: int | None = None,
        queue: str | None = None,
        lock: str | None = None,
    ) -> None:
        """Put the task back until `retry_at`."""
        number, worker = _numbers(job)
        delay_s = 0.0 if retry_at is None else max((retry_at - datetime.now(UTC)).total_seconds(), 0.0)
        mine = await self._patiently(self._store.retry, number, worker, self._reason(number), delay_s)
        self._end(job, "retried", mine)

    async def list_jobs_to_abort_async(self, queue: str | None = None) -> Iterable[int]:
        """Tasks of this worker that somebody has cancelled."""
        return await self._ask(self._store.cancelled, self._worker)

    async def defer_periodic_job(self, job: Job, periodic_id: str, defer_timestamp: int) -> int | None:
        return await self._patiently(self._store.enqueue_periodic, job.task_name, defer_timestamp, job.priority)

    async def _reconcile(self, worker: int) -> None:
        """Put back tasks whose fetch was answered to nobody: at once after an outage, and again in case it lagged."""
        if time.monotonic() >= self._reconcile_at:
            if lost := await self._ask(self._store.give_back, worker, self.running):
                log.warning("%d tasks are put back, as replies of the database were lost", lost)
            self._reconcile_at = time.monotonic() + RECONCILE_S

    async def _ask(self, call: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, call, *args)

    async def _patiently(self, call: Callable[..., T], *args: Any) -> T:
        """Ask until the database answers. After an error that would repeat, the process starts again."""
        while True:
            try:
                return await self._ask(call, *args)
            except Unavailable:
                await asyncio.sleep(PAUSE_S)
            except Exception:
                log.exception("the queue cannot be changed")
                self._restart("the queue cannot be changed")

    def _reason(self, number: int) -> str:
        return self.reasons.get(number, "unknown")[:REASON_MOST].replace("\0", "").encode(errors="replace").decode()

    def _end(self, job: Job, outcome: str, mine: bool) -> None:
        number, _ = _numbers(job)
        self.reasons.pop(number, None)
        seconds = time.monotonic() - self._started.pop(number)
        self._changed.set()
        if not mine:
            log.warning("the task was no longer this worker's", extra={"task": job.task_name, "id": number})
        self._settled(job.task_name, outcome if mine else "lost", seconds)


def _job(taken: Taken, worker: int) -> Job:
    return Job(
        id=taken.id,
        status=Status.DOING.value,
        queue=taken.name,
        priority=taken.priority,
        lock=None,
        queueing_lock=taken.unique_key,
        task_name=taken.name,
        task_kwargs=taken.args,
        scheduled_at=taken.due_at,
        attempts=taken.failed,
        worker_id=worker,
    )


def _numbers(job: Job) -> tuple[int, int]:
    if job.id is None or job.worker_id is None:
        raise ValueError("the task was not taken by a worker")
    return job.id, job.worker_id
