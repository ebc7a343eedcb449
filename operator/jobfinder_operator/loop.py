"""Repeats the rounds of one resource until it is deleted or the operator stops."""

import asyncio
import logging
from collections.abc import Callable

from jobfinder_operator.clients.cluster import ClusterError, Resource
from jobfinder_operator.reconcile import SOON_S, Reconciler, Surroundings

log = logging.getLogger(__name__)


class Loop:
    """Runs rounds one after another: on a change, while steps are pending, and at intervals."""

    def __init__(self, name: str, around: Surroundings, beat: Callable[[str, float], object]) -> None:
        self._name, self._around, self._beat = name, around, beat
        self._reconciler = Reconciler(name, around)
        self._woken = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name=f"reconcile {name}")

    def wake(self) -> None:
        self._woken.set()

    async def stop(self, *, gone: Resource | None = None) -> None:
        """`gone`: the resource, if it was deleted; otherwise the operator stops."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if gone is not None:
            await self._reconciler.farewell(gone)
        self._reconciler.close()

    async def _run(self) -> None:
        while True:
            if self._around.leadership.holds:
                pause = await self._once()
            else:
                pause = self._around.settings.interval_s
                self._around.metrics.forget(self._name)
            self._beat(f"loop of {self._name}", pause + 60)
            started = self._around.clock()
            try:
                async with asyncio.timeout(pause):
                    await self._woken.wait()
            except TimeoutError:
                pass
            await asyncio.sleep(max(0.0, SOON_S - (self._around.clock() - started)))
            self._woken.clear()

    async def _once(self) -> float:
        metrics, started = self._around.metrics, self._around.clock()
        try:
            async with asyncio.timeout(45):
                pause = await self._reconciler.round()
            metrics.last_reconcile.set_to_current_time()
            return pause
        except (ClusterError, TimeoutError) as error:
            log.warning("%s: the round ended early: %s", self._name, str(error) or type(error).__name__)
        except Exception:
            log.exception("%s: the round failed", self._name)
        finally:
            metrics.reconcile_seconds.observe(self._around.clock() - started)
        metrics.reconcile_errors.inc()
        return self._around.settings.interval_s
