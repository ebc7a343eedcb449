"""A new connection, before its request."""

import asyncio
import socket
from typing import Any

from app.realtime.front import UNTAKEN_MS, Connection


def test_kernel_ends_connections_of_vanished_clients() -> None:
    async def body() -> int:
        class Desk:
            open, most = 0, 10

        desk: Any = Desk()
        listening = socket.create_server(("127.0.0.1", 0))
        with listening, socket.create_connection(listening.getsockname()):
            line, _ = listening.accept()
            transport, _ = await asyncio.get_running_loop().connect_accepted_socket(lambda: Connection(desk), line)
            found: int = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            transport.abort()
        return found

    assert asyncio.run(body()) == UNTAKEN_MS == 60_000
