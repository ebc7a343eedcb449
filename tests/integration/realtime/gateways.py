"""Realtime gateways as processes, and clients of them."""

import json
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import requests
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from app.local.development import secret_files
from app.local.postgres import free_port
from app.local.process import Command, Server
from tests.api_client import Person

CHECKOUT = Path(__file__).resolve().parents[3]
WAIT_S = 20
OWN = ("ready", "ping", "renewed")
Event = dict[str, Any]


class Gateway(Server):
    """`python -m app realtime` on a free port; `variables` are settings of `app/config.py`."""

    name = "the realtime gateway"

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        super().__init__()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"realtime-{self.port}.log"
        own = {"ENVIRONMENT": "development", "GRACEFUL_TIMEOUT": "2", "REALTIME_PORT": str(self.port)}
        self.variables = secret_files(folder) | dict(variables) | own

    def _command(self) -> Command:
        command = [sys.executable, "-m", "app", "realtime"]
        return Command(command, log=self.log, environment=self.variables, folder=CHECKOUT)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def metrics(self) -> str:
        return requests.get(f"{self.url}/metrics", timeout=5).text

    def socket(self, person: Person | None = None, resume: str = "", **options: Any) -> "Socket":
        """A WebSocket that has said who it is, if `person` is given."""
        url = self.url.replace("http", "ws") + "/api/v1/realtime"
        return Socket(url, person, resume, **options)

    def stream(self, person: Person, resume: str = "") -> "Stream":
        return Stream(f"{self.url}/api/v1/realtime/events", person, resume)


class Socket:
    """A WebSocket; `last` is the id of the last event."""

    def __init__(self, url: str, person: Person | None, resume: str, **options: Any) -> None:
        self.connection = connect(url, compression=None, **options).__enter__()
        self.last = resume
        if person is not None:
            self.say(person.token, resume)
            self.ready = self.next()
            assert self.ready["type"] == "ready", self.ready

    def say(self, token: str, resume: str = "") -> None:
        self.connection.send(json.dumps({"type": "authenticate", "token": token, "resume": resume}))

    def next(self) -> Event:
        """The next event of whatever type."""
        event: Event = json.loads(self.connection.recv(timeout=WAIT_S))
        self.last = event["id"]
        return event

    def events(self, number: int) -> list[Event]:
        """So many events, those of the connection itself left out."""
        found: list[Event] = []
        while len(found) < number:
            event = self.next()
            found += [] if event["type"] in OWN else [event]
        return found

    def rest(self) -> tuple[list[Event], int | None]:
        """What comes until the gateway closes the connection, and the close code."""
        found: list[Event] = []
        try:
            while True:
                event = self.next()
                found += [] if event["type"] in OWN else [event]
        except ConnectionClosed as closed:
            return found, closed.rcvd.code if closed.rcvd else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()


class Stream:
    """Server-Sent Events."""

    def __init__(self, url: str, person: Person, resume: str) -> None:
        headers = {"Authorization": f"Bearer {person.token}"} | ({"Last-Event-ID": resume} if resume else {})
        self.answer = requests.get(url, headers=headers, stream=True, timeout=WAIT_S)
        self.last = resume
        self._events = self._parsed()

    def _parsed(self) -> Iterator[Event]:
        fields: dict[str, str] = {}
        for line in self.answer.iter_lines(chunk_size=1, decode_unicode=True):
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
                continue
            event: Event = json.loads(fields["data"])
            assert fields["event"] == event["type"]
            assert fields.get("id") == event.get("id")
            self.last = fields.get("id", self.last)
            fields = {}
            yield event

    def next(self) -> Event:
        return next(self._events)

    def events(self, number: int) -> list[Event]:
        found: list[Event] = []
        while len(found) < number:
            event = self.next()
            found += [] if event["type"] in OWN else [event]
        return found

    def rest(self) -> list[Event]:
        """What comes until the gateway ends the response."""
        return [event for event in self._events if event["type"] not in OWN]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.answer.close()
