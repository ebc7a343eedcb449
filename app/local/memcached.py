"""A memcached of our own on a Unix socket, or on a port of 127.0.0.1."""

import signal
import socket
from pathlib import Path

from app.local.account import PrivateFolder, server_account
from app.local.postgres import free_port
from app.local.process import Command, LocalError, Server
from app.local.programs import program


class Memcached(Server):
    """`address` is what MEMCACHED_SERVERS takes and stays the same over restarts; `port` 0 takes any free one."""

    name = "memcached"
    stop_signal = signal.SIGKILL  # there is nothing to save, and SIGTERM waits for the next tick of its clock

    def __init__(self, *, port: int | None = None, memory_mb: int = 64, log: Path | None = None) -> None:
        super().__init__()
        found = program("memcached")
        if found is None:
            raise LocalError("memcached is not installed")
        self._account = server_account()
        self._private = PrivateFolder(self._account)
        self._folder = self._private.path
        self._log = log or self._folder / "log"
        self.port = free_port() if port == 0 else port
        where = ["-l", "127.0.0.1", "-p", self.port] if self.port else ["-s", self._socket, "-a", "0700"]
        self._arguments = [str(each) for each in (found, "-m", memory_mb, "-c", 4096, "-U", 0, *where)]

    @property
    def _socket(self) -> Path:
        return self._folder / "memcached.sock"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}" if self.port else f"unix:{self._socket}"

    def flush(self) -> None:
        """Delete all items at once."""
        self.ask(b"flush_all")

    def ask(self, command: bytes, timeout_s: float = 5) -> bytes:
        """Send one command of the text protocol and return the first line of its answer; raises OSError."""
        with socket.socket(socket.AF_INET if self.port else socket.AF_UNIX) as connection:
            connection.settimeout(timeout_s)
            connection.connect(("127.0.0.1", self.port) if self.port else str(self._socket))
            connection.sendall(command + b"\r\n")
            with connection.makefile("rb") as answer:
                return answer.readline().rstrip()

    def close(self) -> None:
        self.stop()
        self._private.remove()

    def _command(self) -> Command:
        return Command(self._arguments, log=self._log, account=self._account, death_signal=self.stop_signal)

    def _answers(self) -> bool:
        try:
            return self.ask(b"version").startswith(b"VERSION")
        except OSError:
            return False
