"""A TCP proxy that forwards all data, with an optional delay, and counts the messages."""

import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

Address = str | tuple[str, int]


class Relay:
    """Listens on a port of 127.0.0.1; every message to `target` arrives `delay_s` after it was sent.

    `exchanges` counts the messages to the target: one send of a client is one message.
    """

    def __init__(self, target: Address) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.delay_s = 0.0
        self.exchanges = 0
        self._open: list[socket.socket] = []
        self._start(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for each in [self._listener, *self._open]:
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX if isinstance(self._target, str) else socket.AF_INET)
            server.connect(self._target)
            self._open += [client, server]
            self._start(self._pass_on, client, server, self._delayed)
            self._start(self._pass_on, server, client, lambda: None)

    def _delayed(self) -> None:
        self.exchanges += 1
        time.sleep(self.delay_s)

    @staticmethod
    def _pass_on(source: socket.socket, target: socket.socket, before: Callable[[], None]) -> None:
        try:
            while data := source.recv(1 << 20):
                before()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return

    @staticmethod
    def _start(run: Callable[..., None], *args: object) -> None:
        threading.Thread(target=run, args=args, daemon=True).start()
