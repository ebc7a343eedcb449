"""Responses in pieces, too slow or malformed, from a scripted server."""

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from app.infra.memcache.client import CacheUnavailable, Server

ANSWER = b"VA 4\r\n\r\nMN\r\nEN\r\nVA 0\r\n\r\nMN\r\n"
KEYS = ["trap", "missing", "empty"]

Script = Callable[[], Iterable[bytes]]


class ScriptedServer:
    """Answers `version` as memcached does and other commands with the script; then closes if `closes` is set."""

    def __init__(self, path: Path) -> None:
        self.address = f"unix:{path}"
        self.script: Script = tuple
        self.closes = False
        self.commands: list[bytes] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            while command := connection.recv(65_536):
                self.commands.append(command)
                if command == b"version\r\n":
                    connection.sendall(b"VERSION 1.6.18\r\n")
                    continue
                try:
                    for piece in self.script():
                        connection.sendall(piece)
                except OSError:
                    return
                if self.closes:
                    return


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[ScriptedServer]:
    made = ScriptedServer(tmp_path / "s")
    yield made
    made.close()


@pytest.fixture
def server(scripted: ScriptedServer) -> Iterator[Server]:
    made = Server(scripted.address, 0.2)
    yield made
    made.close()


def test_an_answer_may_arrive_byte_by_byte(server: Server, scripted: ScriptedServer) -> None:
    scripted.script = lambda: (ANSWER[at : at + 1] for at in range(len(ANSWER)))
    assert server.get_many(KEYS) == {"trap": b"\r\nMN", "empty": b""}
    assert scripted.commands[-1] == b"mg trap v\r\nmg missing v\r\nmg empty v\r\nmn\r\n"


def test_slow_response_times_out(server: Server, scripted: ScriptedServer) -> None:
    patience = threading.Event()

    def drip() -> Iterator[bytes]:
        yield b"VA 100000\r\n"
        for _ in range(1000):
            patience.wait(0.05)
            yield b"x"

    scripted.script = drip
    with pytest.raises(CacheUnavailable):
        server.get_many(KEYS)
    patience.set()


@pytest.mark.parametrize(
    "answer",
    [
        b"SERVER_ERROR out of memory\r\n",
        b"ERROR\r\nERROR\r\nERROR\r\nERROR\r\n",
        b"VA 2\r\nabc\r\nEN\r\nEN\r\nMN\r\n",
        b"VA x\r\nEN\r\nEN\r\nMN\r\n",
        b"EN\r\nEN\r\nEN\r\nEN\r\n",
        b"\xff\r\n\r\n\r\n\r\n",
    ],
)
def test_malformed_response_closes_the_connection(server: Server, scripted: ScriptedServer, answer: bytes) -> None:
    scripted.script = lambda: [answer]
    with pytest.raises(CacheUnavailable):
        server.get_many(KEYS)
    scripted.script = lambda: [ANSWER]
    assert server.get_many(KEYS) == {"trap": b"\r\nMN", "empty": b""}


def test_truncated_response_is_an_error(server: Server, scripted: ScriptedServer) -> None:
    scripted.script, scripted.closes = lambda: [ANSWER[:-4]], True
    with pytest.raises(CacheUnavailable):
        server.get_many(KEYS)


def test_surplus_response_is_discarded(server: Server, scripted: ScriptedServer) -> None:
    scripted.script = lambda: [ANSWER + ANSWER.replace(b"VA 0\r\n\r\n", b"VA 1\r\nx\r\n")]
    assert server.get_many(KEYS) == {"trap": b"\r\nMN", "empty": b""}
    scripted.script = lambda: [ANSWER]
    assert server.get_many(KEYS) == {"trap": b"\r\nMN", "empty": b""}


def test_increment_is_not_retried(server: Server, scripted: ScriptedServer) -> None:
    scripted.script, scripted.closes = tuple, True
    with pytest.raises(CacheUnavailable):
        server.incr("ticket")
    assert sum(command.startswith(b"ma ") for command in scripted.commands) == 1


def test_read_is_retried_after_a_lost_connection(server: Server, scripted: ScriptedServer) -> None:
    scripted.script, scripted.closes = tuple, True
    with pytest.raises(CacheUnavailable):
        server.get("key")
    assert sum(command.startswith(b"mg") for command in scripted.commands) == 2
