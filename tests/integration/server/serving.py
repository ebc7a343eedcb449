"""A gunicorn with its workers in separate processes, and a client that shows every byte."""

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
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[3]
APPLICATION = Path(__file__).with_name("small_app.py")
PATIENCE_S = 30.0
ENVIRONMENT: dict[str, str] = {}  # added to the environment of each service


def eventually(condition: Callable[[], Any], what: str) -> Any:
    """The first true value of `condition`; AssertionError after PATIENCE_S."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.01)
    raise AssertionError(f"timed out waiting for {what}")


@dataclass
class Response:
    """One response as it was on the wire."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Connection:
    """One connection; reads exactly the bytes that belong to a response."""

    sock: socket.socket
    buffer: bytes = field(default=b"")

    def send(self, data: bytes | str) -> None:
        self.sock.sendall(data.encode() if isinstance(data, str) else data)

    def get(self, path: str, headers: str = "", method: str = "GET") -> Response:
        self.send(f"{method} {path} HTTP/1.1\r\nHost: test\r\n{headers}\r\n")
        return self.response(method)

    def post(self, path: str, body: bytes) -> Response:
        self.send(f"POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        return self.response()

    def response(self, method: str = "GET") -> Response:
        head = self._until(b"\r\n\r\n").decode("latin-1")
        lines = head.split("\r\n")
        headers = [
            (name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines[1:] if line)
        ]
        response = Response(int(lines[0].split()[1]), headers, b"")
        if method != "HEAD" and response.status not in (100, 204, 304):
            response.body = self._body(response)
        return response

    def rest(self) -> bytes:
        """Everything until the server closes."""
        while data := self._receive():
            self.buffer += data
        rest, self.buffer = self.buffer, b""
        return rest

    def closed(self) -> bool:
        """Whether the server closes without sending another byte."""
        return self.rest() == b""

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        """Close with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def _body(self, response: Response) -> bytes:
        if response.header("transfer-encoding") == "chunked":
            parts = []
            while size := int(self._until(b"\r\n"), 16):
                parts.append(self._exactly(size))
                assert self._exactly(2) == b"\r\n"
            assert self._exactly(2) == b"\r\n"
            return b"".join(parts)
        length = response.header("content-length")
        assert length is not None, "a response without framing"
        return self._exactly(int(length))

    def _until(self, mark: bytes) -> bytes:
        while mark not in self.buffer:
            self._more()
        found, _, self.buffer = self.buffer.partition(mark)
        return found

    def _exactly(self, size: int) -> bytes:
        parts, length = [self.buffer], len(self.buffer)
        while length < size:
            self.buffer = b""
            self._more()
            parts.append(self.buffer)
            length += len(self.buffer)
        whole = b"".join(parts)
        self.buffer = whole[size:]
        return whole[:size]

    def _more(self) -> None:
        data = self._receive()
        if not data:
            raise ConnectionError(f"closed after {self.buffer[-500:]!r}")
        self.buffer += data

    def _receive(self) -> bytes:
        try:
            return self.sock.recv(65536)
        except ConnectionResetError:
            return b""


def connect(address: tuple[str, int]) -> Connection:
    return Connection(socket.create_connection(address, PATIENCE_S))


class Server:
    """A running service; `settings` are fields of `Settings`."""

    command: tuple[str, ...] = (str(APPLICATION),)

    def __init__(self, worker: str, folder: Path, **settings: Any) -> None:
        self.worker = worker
        self._log = folder / f"server-{time.monotonic_ns()}.log"
        chosen = {"worker": worker, "port": 0, "workers": 1, "graceful_timeout": 20, **settings}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, *self.command, json.dumps(chosen)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": str(ROOT), **ENVIRONMENT},
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        eventually(lambda: self.address, f"the service, whose log is\n{self.log()}")
        self.connect().get("/pid")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.signal(signal.SIGTERM)
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            raise

    @property
    def address(self) -> tuple[str, int] | None:
        assert self._process.poll() is None, self.log()
        found = re.search(r"Listening at: http://([\d.]+):(\d+)", self.log())
        return (found[1], int(found[2])) if found else None

    def log(self) -> str:
        return self._log.read_text()

    def connect(self) -> Connection:
        assert self.address is not None
        return connect(self.address)

    def get(self, path: str, headers: str = "") -> Response:
        connection = self.connect()
        try:
            return connection.get(path, headers)
        finally:
            connection.close()

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        """The exit code of the master, once it has ended."""
        return self._process.wait(PATIENCE_S)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def workers(self) -> list[int]:
        """Process ids of the living workers."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        return [int(pid) for pid in children.split() if not _zombie(int(pid))]


def _zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):  # the latter if it ends between opening and reading
        return True


@contextlib.contextmanager
def serving(worker: str, folder: Path, **settings: Any) -> Iterator[Server]:
    with Server(worker, folder, **settings) as server:
        yield server
