"""The servers under test, each a gunicorn with one worker in separate processes."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from loadtest.published import published_meinheld

ROOT = Path(__file__).parents[3]
PROBE = Path(__file__).with_name("probe_app.py")
PATIENCE_S = 20.0
LIMITS = {"workers": 1, "port": 0, "header_timeout": 2, "body_timeout": 2}
GUNICORN = ("-m", "gunicorn", "-b", "127.0.0.1:0", "-w", "1", "--no-control-socket")
APPLICATION = "tests.integration.conformance.probe_app:application"

OURS, THREADS, PLAIN, PUBLISHED = "ours", "gthread", "plain gthread", "published meinheld"


def eventually(condition: Callable[[], Any], what: Callable[[], str]) -> Any:
    """The first true value of `condition`; AssertionError after PATIENCE_S."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.01)
    raise AssertionError(what())


class Process:
    """A program in a session of its own, with its output in a file."""

    def __init__(self, command: list[str], log: Path, path: str = str(ROOT)) -> None:
        self._log = log
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                command,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=log.parent,
                env={**os.environ, "PYTHONPATH": path},
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """End it and its children."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


class Server:
    """A running server; `seen` returns the requests of its application."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self._folder = name, folder
        self._start()

    def _start(self) -> None:
        self._process = Process(*_command(self.name, self._folder))
        self.address = self._listening()
        self.seen()

    def _listening(self) -> tuple[str, int]:
        def found() -> re.Match[str] | None:
            assert self._process.alive, self._process.log
            return re.search(r"Listening at: http://([\d.]+):(\d+)", self._process.log)

        match = eventually(found, lambda: f"{self.name} does not listen:\n{self._process.log}")
        return match[1], int(match[2])

    def seen(self) -> tuple[int, list[dict[str, str]]]:
        """The worker's process id and the environments of the requests since the last call; waits for a new worker."""
        return eventually(self._ask, lambda: f"{self.name} does not answer:\n{self._process.log}")  # type: ignore[no-any-return]

    def _ask(self) -> tuple[int, list[dict[str, str]]] | None:
        if not self._process.alive:
            self.stop()
            self._process = Process(*_command(self.name, self._folder))
            self.address = self._listening()
        try:
            with socket.create_connection(self.address, PATIENCE_S) as sock:
                sock.sendall(b"GET /seen HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
                answer = json.loads(read_all(sock).partition(b"\r\n\r\n")[2])
        except (OSError, ValueError):
            return None
        return answer["pid"], answer["requests"]

    def stop(self) -> None:
        self._process.stop()


def read_all(sock: socket.socket) -> bytes:
    """Everything until the server closes."""
    data = b""
    while part := sock.recv(65536):
        data += part
    return data


@contextlib.contextmanager
def running(name: str, folder: Path) -> Iterator[Server]:
    server = Server(name, folder)
    try:
        yield server
    finally:
        server.stop()


def _command(name: str, folder: Path) -> tuple[list[str], Path, str]:
    """Command, log and import path."""
    log = folder / f"{name.replace(' ', '-')}-{time.monotonic_ns()}.log"
    if name in (OURS, THREADS):
        settings = {"worker": "meinheld" if name == OURS else "gthread", "graceful_timeout": 2, **LIMITS}
        return [sys.executable, str(PROBE), json.dumps(settings)], log, str(ROOT)
    command = [sys.executable, *GUNICORN, "--graceful-timeout", "2"]
    if name == PLAIN:
        return [*command, "-k", "gthread", "--threads", "4", APPLICATION], log, str(ROOT)
    worker = "meinheld.gmeinheld.MeinheldWorker"
    return [*command, "-k", worker, APPLICATION], log, f"{published_meinheld()}{os.pathsep}{ROOT}"
