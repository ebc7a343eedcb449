"""Connections that can be slow or cut: a process that passes data on, and who controls it.

`python -m tests.chaos.links` reads orders as lines of JSON and answers each with a line. Data of a cut connection are
held and not lost, as with TCP, which sends them again: they go on when the cut ends.
"""

import asyncio
import json
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from app.local.postgres import free_port
from app.local.process import LocalError

CHECKOUT = Path(__file__).resolve().parents[2]
_CHUNK = 65_536


@dataclass(frozen=True)
class Weather:
    """How a link is: `cut`, or with `delay_ms` for each message and at most `bytes_per_s` (0: no limit).

    `sessions` are the sessions of processes (setsid(2)) whose connections it is for; empty: all.
    """

    cut: bool = False
    delay_ms: float = 0.0
    bytes_per_s: float = 0.0
    sessions: tuple[int, ...] = ()

    def wait_s(self, size: int) -> float:
        """How long a message of `size` bytes takes."""
        return self.delay_ms / 1000 + (size / self.bytes_per_s if self.bytes_per_s else 0.0)

    def holds_for(self, session: int) -> bool:
        return not self.sessions or session in self.sessions


FAIR = Weather()


@dataclass
class Link:
    """Accepts connections at `listen` and passes each on to `target`: paths of sockets, or ports of 127.0.0.1."""

    listen: str | int
    target: str | int
    weather: Weather = FAIR
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def open(self) -> None:
        if isinstance(self.listen, int):
            await asyncio.start_server(self._accept, "127.0.0.1", self.listen)
        else:
            await asyncio.start_unix_server(self._accept, self.listen, backlog=512)

    def become(self, weather: Weather) -> None:
        self.weather = weather
        self.changed.set()
        self.changed = asyncio.Event()

    async def _accept(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        session = _session(back.get_extra_info("socket"))
        try:
            await self._travel(session, 0)
            if isinstance(self.target, int):
                server, forth = await asyncio.open_connection("127.0.0.1", self.target)
            else:
                server, forth = await asyncio.open_unix_connection(self.target)
        except OSError:
            back.transport.abort()
            return
        await asyncio.gather(self._pass(client, forth, session), self._pass(server, back, session))

    async def _pass(self, source: asyncio.StreamReader, to: asyncio.StreamWriter, session: int) -> None:
        with suppress(OSError):
            while data := await source.read(_CHUNK):
                await self._travel(session, len(data))
                to.write(data)
                await to.drain()
        await self._travel(session, 0)
        to.close()

    async def _travel(self, session: int, size: int) -> None:
        if self.weather.holds_for(session) and (wait_s := self.weather.wait_s(size)):
            await asyncio.sleep(wait_s)
        while self.weather.cut and self.weather.holds_for(session):
            await self.changed.wait()


def _session(connection: socket.socket) -> int:
    """The session of the process at the other end of a Unix socket; 0 if it has gone."""
    if connection.family != socket.AF_UNIX:
        return 0
    pid, _, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    try:
        return os.getsid(pid)
    except OSError:
        return 0


class Links:
    """The process with a link for each name of `targets`; that to a socket has a socket at `folder/NAME/`."""

    def __init__(self, folder: Path, targets: Mapping[str, Path | int]) -> None:
        self._at = {
            name: free_port() if isinstance(target, int) else folder / name / target.name
            for name, target in targets.items()
        }
        for path in self._at.values():
            if isinstance(path, Path):
                path.parent.mkdir()
                path.parent.chmod(0o755)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.links"], cwd=CHECKOUT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        for name, target in targets.items():
            self._order({"open": name, "listen": _plain(self._at[name]), "target": _plain(target)})

    def at(self, name: str) -> Path | int:
        """The socket or port to connect to."""
        return self._at[name]

    def become(self, name: str, weather: Weather) -> None:
        self._order({"become": name, "weather": asdict(weather)})

    def _order(self, order: Mapping[str, object]) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        if not self._process.stdout.readline():
            raise LocalError("the process of the links has ended")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()


def _plain(place: Path | int) -> str | int:
    return place if isinstance(place, int) else str(place)


async def obey() -> None:
    """Carry out orders until the end of standard input."""
    links: dict[str, Link] = {}
    orders = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    while line := await orders.readline():
        order = json.loads(line)
        if "open" in order:
            links[order["open"]] = Link(order["listen"], order["target"])
            await links[order["open"]].open()
        else:
            given = order["weather"]
            links[order["become"]].become(Weather(**given | {"sessions": tuple(given["sessions"])}))
        print("done", flush=True)


if __name__ == "__main__":
    os.umask(0)  # servers of other accounts connect to the sockets
    asyncio.run(obey())
