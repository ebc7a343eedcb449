"""WebSockets that come and go: each hears a change of its account's profile, and ends with its session."""

import time
from collections import deque
from dataclasses import dataclass, field

from loadtest.bed import ME
from loadtest.soak.people import Client, Person
from loadtest.soak.record import Kind, Record, Unexpected
from tests.integration.realtime.gateways import Socket

PEOPLE, FIRST, HELD = 40, 7001, 20
ENDED = 4401
OPENED, HEARD = Kind("open a WebSocket", "streams"), Kind("event after its change", "streams")
CLOSED, CHANGE = Kind("stream ends with its session", "streams"), Kind("change of profile", "writes")


@dataclass
class Streams:
    """Holds HELD WebSockets at most, the oldest of which goes for each new one."""

    client: Client
    record: Record
    url: str
    token_s: float
    _held: deque[tuple[Person, Socket]] = field(default_factory=deque)
    _number: int = 0

    def __post_init__(self) -> None:
        self._people = [Person(FIRST + number, self.token_s) for number in range(PEOPLE)]

    def step(self) -> None:
        """Open one, change the profile and hear of it; then let the oldest one go, every second time by a logout."""
        person = self._people[self._number % PEOPLE]
        self._number += 1
        token = person.token(self.client)
        began = time.perf_counter()
        socket = Socket(self.url, None, "")
        socket.say(token, "")
        if (first := socket.next())["type"] != "ready":
            raise Unexpected(f"a WebSocket begins with {first}")
        self._note(OPENED, began)
        self._held.append((person, socket))
        began = time.perf_counter()
        self.client.ask(CHANGE, "PATCH", ME, token, {"headline": f"Stream {self._number}"})
        (event,) = socket.events(1)
        if event["type"] != "account.profile_changed":
            raise Unexpected(f"{event['type']} was sent instead of account.profile_changed")
        self._note(HEARD, began)
        if len(self._held) > HELD:
            self._leave(*self._held.popleft(), logging_out=self._number % 2 == 0)

    def close(self) -> None:
        while self._held:
            self._held.popleft()[1].connection.close()

    def _leave(self, person: Person, socket: Socket, *, logging_out: bool) -> None:
        """A stream that outlived its token has ended already, with the same code."""
        if logging_out:
            began = time.perf_counter()
            person.log_out(self.client)
            _, code = socket.rest()
            if code != ENDED:
                raise Unexpected(f"a WebSocket of an ended session was closed with {code}")
            self._note(CLOSED, began)
        socket.connection.close()

    def _note(self, kind: Kind, began: float) -> None:
        self.record.answered(kind, (time.perf_counter() - began) * 1000)
