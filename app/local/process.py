"""Server processes that die with this one, are signalled by their own id only, and report how they ended."""

import ctypes
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from app.local.account import Account

_PR_SET_PDEATHSIG = 1
_POLL_S = 0.02
_prctl = ctypes.CDLL(None).prctl

# The death signal is sent when the *thread* that forked ends (prctl(2)), so one permanent thread forks all processes.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")


class LocalError(Exception):
    """The service cannot run on this machine; the message is shown to the user."""


@dataclass(frozen=True)
class Command:
    """A command; without a `log` it prints to the terminal. The kernel sends `death_signal` when we die."""

    arguments: Sequence[str | Path]
    log: Path | None = None
    account: Account | None = None
    environment: Mapping[str, str] | None = None
    folder: Path = Path("/")
    death_signal: signal.Signals = signal.SIGTERM


class Process:
    """One running command in its own session, so that a terminal's Ctrl-C does not reach it."""

    def __init__(self, name: str, command: Command) -> None:
        self.name = name
        self._log = command.log
        self._ending = threading.Lock()
        self._popen = _spawner.submit(_spawn, name, command).result()

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def alive(self) -> bool:
        """Whether it runs. An ended process is not reaped here, so that its id and its group's cannot be reused yet."""
        if self._popen.returncode is not None:
            return False
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        except ChildProcessError:  # another thread has just reaped it
            return False

    def send(self, number: signal.Signals) -> None:
        if self.alive:
            os.kill(self.pid, number)

    def wait(self, timeout_s: float) -> bool:
        """Whether the process has ended within `timeout_s`."""
        return becomes_true(lambda: not self.alive, timeout_s)

    def end(self, number: signal.Signals = signal.SIGTERM, grace_s: float = 10) -> int:
        """Signal, wait at most `grace_s`, kill what is left of its process group; returns the exit status."""
        with self._ending:
            if self._popen.returncode is None:
                self.send(number)
                self.send(signal.SIGCONT)
                self.wait(grace_s)
                os.killpg(self.pid, signal.SIGKILL)
            return self._popen.wait()

    def obituary(self) -> str:
        """How the process ended, with the end of its log."""
        status = self.end(signal.SIGKILL)
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with exit code {status}"
        return f"{self.name} (process {self.pid}) {how}{_last_words(self._log)}"

    def wait_until(self, ready: Callable[[], bool], timeout_s: float = 30) -> None:
        """Wait until `ready()`; raises LocalError when the process ends first or the time is up."""
        if not becomes_true(lambda: not self.alive or ready(), timeout_s):
            self.end(signal.SIGKILL)
            raise LocalError(f"{self.name} did not answer within {timeout_s:g} s{_last_words(self._log)}")
        if not self.alive:
            raise LocalError(self.obituary())


def becomes_true(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Poll until `condition()` is true or `timeout_s` has passed; returns whether it is true."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


class Server:
    """Base of PostgreSQL, PgBouncer and memcached: a server process that can be restarted."""

    name = "server"
    stop_signal = signal.SIGTERM

    def __init__(self) -> None:
        self.process: Process | None = None

    def start(self) -> Self:
        """Start and return once the server answers; raises LocalError."""
        if self.process is None or not self.process.alive:
            self.process = Process(self.name, self._command())
            self.process.wait_until(self._answers)
        return self

    def stop(self, grace_s: float = 10) -> None:
        if self.process is not None:
            self.process.end(self.stop_signal, grace_s)

    def kill(self) -> None:
        """SIGKILL, as a crash or the kernel's out-of-memory killer would."""
        if self.process is not None:
            self.process.end(signal.SIGKILL)

    def pause(self) -> None:
        """SIGSTOP: the server keeps its connections and answers nothing until `resume`; returns when it has stopped."""
        running = self._running()
        running.send(signal.SIGSTOP)
        os.waitid(os.P_PID, running.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        self._running().send(signal.SIGCONT)

    def restart(self) -> Self:
        self.stop()
        return self.start()

    def close(self) -> None:
        """Stop for good and remove what the server needed only while it ran."""
        self.stop()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _running(self) -> Process:
        if self.process is None:
            raise LocalError(f"{self.name} has not been started")
        return self.process

    def _command(self) -> Command:
        raise NotImplementedError

    def _answers(self) -> bool:
        raise NotImplementedError


def _spawn(name: str, command: Command) -> "subprocess.Popen[bytes]":
    parent = os.getpid()

    def die_with_parent() -> None:
        for each in (signal.SIGINT, signal.SIGQUIT):  # a shell ignores them in what it starts in the background
            signal.signal(each, signal.SIG_DFL)
        _prctl(_PR_SET_PDEATHSIG, command.death_signal)
        if os.getppid() != parent:
            os._exit(1)

    output: IO[bytes] | None = command.log.open("ab") if command.log else None
    who = command.account
    try:
        return subprocess.Popen(
            [str(each) for each in command.arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=command.environment,
            cwd=command.folder,
            start_new_session=True,
            user=who.uid if who else None,
            group=who.gid if who else None,
            extra_groups=[] if who else None,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - runs in the fork of a thread that holds no lock
        )
    except OSError as error:
        raise LocalError(f"{name} cannot be started: {error}") from error
    finally:
        if output:
            output.close()


def _last_words(log: Path | None, lines: int = 5) -> str:
    """The end of a log file, as a text to append to a message."""
    if log is None or not log.exists():
        return "; its messages are above"
    tail = log.read_text(errors="replace").splitlines()[-lines:]
    return f"; the end of {log}:\n" + "\n".join(f"    {line}" for line in tail)
