"""Clients that follow accounts through the ingress controller while a test changes the system behind it.

Half of them use a WebSocket, the others Server-Sent Events. Each connects again by itself, as in docs/realtime.md.
"""

import itertools
import json
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import requests
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from tests.api_client import Api, Person
from tests.e2e.platform.load.clients import Address
from tests.pods.pod import wait_for

CLIENTS = 4
SILENT_S, PAUSE_S = 40.0, 0.5
PATH = "/api/v1/realtime"
BREAKS = (OSError, EOFError, TimeoutError, WebSocketException)


class Follower(threading.Thread):
    """Follows `person` at `address`; `seen` are the versions of the profile, `odd` events that should not come."""

    def __init__(self, address: Address, person: Person, *, by_socket: bool) -> None:
        super().__init__(name=f"follower of {person.id} at {address.name}", daemon=True)
        self._address, self.person, self._by_socket = address, person, by_socket
        self._last = ""
        self.seen: list[int] = []
        self.odd: list[Any] = []
        self.connected = 0
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            with suppress(*BREAKS):
                for event in self._socket() if self._by_socket else self._stream():
                    self._take(event)
            self.over.wait(PAUSE_S)

    def _take(self, event: Any) -> None:
        self._last = event.get("id", self._last)
        self.connected += event["type"] == "ready"
        if event["type"] == "account.profile_changed":
            self.seen.append(event["data"]["version"])
        elif event["type"] not in ("ready", "ping", "closing"):
            self.odd.append(event)

    def _socket(self) -> Iterator[Any]:
        host = f"{self._address.name}:{self._address.port}"
        with (
            socket.create_connection((self._address.host, self._address.port), timeout=10) as line,
            connect(f"ws://{host}{PATH}", sock=line, compression=None, proxy=None) as wire,
        ):
            wire.send(json.dumps({"type": "authenticate", "token": self.person.token, "resume": self._last}))
            while not self.over.is_set():
                yield json.loads(wire.recv(timeout=SILENT_S))

    def _stream(self) -> Iterator[Any]:
        headers = {"Host": self._address.name, "Authorization": f"Bearer {self.person.token}"}
        headers |= {"Last-Event-ID": self._last} if self._last else {}
        url = f"http://{self._address.host}:{self._address.port}{PATH}/events"
        with requests.get(url, headers=headers, stream=True, timeout=SILENT_S) as answer:
            answer.raise_for_status()
            for line in answer.iter_lines(chunk_size=1):
                if line.startswith(b"data: ") and not self.over.is_set():
                    yield json.loads(line.removeprefix(b"data: "))


class Streams:
    """The followers, and what renames their accounts."""

    def __init__(self, service: Address, ways: Sequence[Address]) -> None:
        api = Api(service.url, lambda *_: [])
        self.followers = [
            Follower(way, api.fresh().person(), by_socket=number % 2 == 0) for way in ways for number in range(CLIENTS)
        ]
        self._over = threading.Event()
        self._renaming = threading.Thread(target=self._rename, name="renaming", daemon=True)

    def start(self) -> None:
        """Returns when every follower is connected."""
        for each in self.followers:
            each.start()
        wait_for(lambda: all(each.connected for each in self.followers), "every client of realtime connected")
        self._renaming.start()

    def end(self) -> None:
        """Rename no more."""
        self._over.set()
        self._renaming.join(timeout=60)

    def assert_complete(self, versions: dict[int, int]) -> None:
        """Every follower has seen each version of its profile once, in order, up to the present one, by account."""
        complete = {each: list(range(2, versions[each.person.id] + 1)) for each in self.followers}
        try:
            wait_for(lambda: all(each.seen == complete[each] for each in self.followers), "every event at its client")
        finally:
            for each in self.followers:
                each.over.set()
        for each in self.followers:
            assert not each.odd, (each.name, each.odd)
            assert each.connected > 1, f"the connection of {each.name} was never broken"
            assert each.seen, each.name

    def _rename(self) -> None:
        """The accounts in turn; a change that is not answered may have been made, or not."""
        for number, each in enumerate(itertools.cycle(self.followers)):
            if self._over.wait(0.1):
                return
            with suppress(OSError):
                each.person.send("PATCH", "users/me", json={"name": f"Ada {number}"})


@contextmanager
def following(service: Address, ways: Sequence[Address]) -> Iterator[Streams]:
    """Follow CLIENTS accounts by each way, and rename them until the block ends."""
    streams = Streams(service, ways)
    streams.start()
    try:
        yield streams
    finally:
        streams.end()
