"""A service whose server keeps answers as a test says (`kept_app.py`), and a client that tells them from others."""

import json
import socket
from pathlib import Path
from typing import Any

from tests.integration.server.serving import PATIENCE_S, Connection, Response, Server, eventually

PROGRAM = str(Path(__file__).with_name("kept_app.py"))
FAR_MS = 600_000


class KeepingServer(Server):
    """Logs no request; `kept_app.py` describes what `do` can call."""

    command = (PROGRAM, "0")


class LoggingServer(KeepingServer):
    """Logs every request."""

    command = (PROGRAM, "1")


class Client:
    """Two connections: one for requests that may be answered from what is kept, one for instructions."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._control = server.connect()
        self.connection = self.open()
        self.do(["forget", None], ["bound", 0], ["bound", 16_777_216], ["looked", 1, None])

    def open(self, receive_buffer: int = 0) -> Connection:
        """A connection beyond its first request, which the loop does not watch yet."""
        connection = self.server.connect()
        if receive_buffer:
            connection = Connection(socket.socket())
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            connection.sock.settimeout(PATIENCE_S)
            assert self.server.address is not None
            connection.sock.connect(self.server.address)
        connection.get("/none")
        return connection

    def close(self) -> None:
        self.connection.close()
        self._control.close()

    def do(self, *calls: list[Any]) -> list[Any]:
        done: list[Any] = self._control.post("/do", json.dumps(calls).encode()).json()
        return done

    def stat(self, name: str) -> int:
        return int(self.do(["stats"])[0][name])

    def ask(self, path: str, headers: str = "", connection: Connection | None = None) -> Response:
        return (connection or self.connection).get(path, headers)

    def made(self, path: str, headers: str = "") -> int:
        """The number of the request at which the application made this answer: the same again when it is kept."""
        return int(self.ask(path, headers).json()["made"])

    def is_kept(self, path: str, headers: str = "") -> bool:
        """Whether two requests in turn get the same answer; the second one at least could be kept by the first."""
        return self.made(path, headers) == self.made(path, headers)

    def keep(self, path: str, headers: str = "", **how: Any) -> int:
        """Let the server keep answers to `path` that are made as `how` says; returns the number of the kept one."""
        self.do(["page", path, how])
        return self.kept(path, headers)

    def kept(self, path: str, headers: str = "") -> int:
        """The same for a page that has been described; the second miss within a minute is kept."""
        eventually(lambda: self.is_kept(path, headers), "an answer that is kept")
        return self.made(path, headers)

    def never_kept(self, path: str, headers: str = "", **how: Any) -> bool:
        """Whether answers that are made as `how` says are made again for each of some requests."""
        self.do(["page", path, how])
        numbers = [self.made(path, headers) for _ in range(5)]
        return len(set(numbers)) == len(numbers)
