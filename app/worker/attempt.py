"""One attempt at a task: its handler in a thread, interrupted when its time is over."""

import asyncio
import ctypes
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from typing import NoReturn

from app.tasks.task import Arguments, Duty

INTERRUPTED_WITHIN_S = 10.0


class TimedOut(Exception):
    """The handler took longer than its task may take."""


class Cancelled(Exception):
    """The task was cancelled while it ran."""


class Attempt:
    """`restart` replaces the process; it is called when the handler cannot be interrupted."""

    def __init__(self, duty: Duty, args: Arguments, restart: Callable[[str], NoReturn]) -> None:
        self._duty, self._args, self._restart = duty, args, restart
        self._lock = threading.Lock()
        self._thread: int | None = None

    async def run(self, threads: Executor) -> None:
        """Wait for the handler; raises what it raised, or TimedOut. When cancelled, the handler ends first."""
        done = asyncio.get_running_loop().run_in_executor(threads, self._call)
        try:
            await asyncio.wait_for(asyncio.shield(done), self._duty.task.timeout_s)
        except TimeoutError:
            if done.done():  # the handler has raised it
                raise
            await self._interrupt(done, TimedOut)
            raise TimedOut(f"it took longer than {self._duty.task.timeout_s:g} s") from None
        except asyncio.CancelledError:
            await self._interrupt(done, Cancelled)
            raise

    def _call(self) -> None:
        with self._lock:
            self._thread = threading.get_ident()
        try:
            self._duty.handler(**self._args)
        finally:
            with self._lock:
                self._thread = None

    async def _interrupt(self, done: "asyncio.Future[None]", kind: type[Exception]) -> None:
        """Raise `kind` in the handler's thread. Code that waits outside of Python raises it when its wait ends."""
        with self._lock:
            if self._thread is not None:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), ctypes.py_object(kind))
        ended, _ = await asyncio.wait([done], timeout=INTERRUPTED_WITHIN_S)
        if not ended:
            self._restart(f"{self._duty.task.name} cannot be interrupted")
        done.exception()
