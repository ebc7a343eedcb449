"""Clients of several gateways while sessions end and processes die: nothing lost, repeated, out of order or too late.

The service has two workers. `REALTIME_CLIENTS` (12) and `REALTIME_CHANGES` (15, of each account) make it longer.
"""

import itertools
import json
import os
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import pytest
import requests
from websockets.exceptions import InvalidHandshake, WebSocketException

from app.local.memcached import Memcached
from app.local.process import becomes_true
from tests.api_client import Api, Person
from tests.integration.realtime.gateways import Gateway, Socket, Stream

CLIENTS = int(os.environ.get("REALTIME_CLIENTS", "12"))
CHANGES = int(os.environ.get("REALTIME_CHANGES", "15"))
GATEWAYS = 3
WAIT_S = 60.0 + CHANGES
BREAKS = (OSError, TimeoutError, WebSocketException, InvalidHandshake, requests.RequestException, json.JSONDecodeError)


class Client(threading.Thread):
    """Follows one account over random gateways and wires, and breaks off now and then.

    `seen` are the versions of the profile that it was told, `odd` what it should not have been told.
    """

    def __init__(self, person: Person, gateways: list[Gateway], seed: int) -> None:
        super().__init__(name=f"client {person.id}", daemon=True)
        self._person, self._gateways, self._random = person, gateways, random.Random(seed)
        self._last = ""
        self.seen: list[int] = []
        self.odd: list[object] = []
        self.connected = threading.Event()
        self.over = threading.Event()
        self.refused = threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            with suppress(*BREAKS, StopIteration), ExitStack() as opened:
                self._follow(opened)
            self.over.wait(0.05)

    def _follow(self, opened: ExitStack) -> None:
        gateway = self._random.choice(self._gateways)
        followed: Socket | Stream
        if self._random.random() < 0.5:
            followed = gateway.stream(self._person, self._last)
            if followed.answer.status_code == 401:
                self.refused.set()
                self.over.set()
                return
            followed.answer.raise_for_status()  # 503 while the gateway cannot read events yet
        else:
            followed = gateway.socket(resume=self._last)
            followed.say(self._person.token, self._last)
        opened.enter_context(followed)
        for _ in range(self._random.randint(2, 8)):
            event = followed.next()
            self._last = event.get("id", self._last)
            if event["type"] == "account.profile_changed":
                self.seen.append(event["data"]["version"])
            elif event["type"] in ("resync", "account.session_ended"):
                self.odd.append(event)
            self.connected.set()


class Changes:
    """Renames accounts, and ends the sessions of some of them; `told` is the last version that a client may see."""

    def __init__(self, client: Client, person: Person, *, ends: bool, seed: int) -> None:
        self.client, self._person, self._ends = client, person, ends
        self._random = random.Random(seed)
        self._version = 1
        self.told = 1 + CHANGES

    def make(self) -> None:
        for number in range(CHANGES):
            if self._ends and number == CHANGES // 2:
                self._person = self._log_out()
            self._rename()
            threading.Event().wait(self._random.uniform(0.02, 0.2))

    def _rename(self) -> None:
        answer = self._person.send("PATCH", "users/me", json={"name": f"Ada {self._version}"})
        assert answer.status_code == 200, answer.text
        self._version += 1

    def _log_out(self) -> Person:
        following = self._person.elsewhere()
        assert becomes_true(lambda: self._person.send("POST", "auth/logout").status_code == 204, WAIT_S)
        self.told = self._version
        return following


def trouble(gateways: list[Gateway], memcached: Memcached, over: threading.Event) -> None:
    """Kill and start gateways and memcached again, or let memcached stand still, until `over`."""
    order = random.Random(1)
    troubles = itertools.cycle(((memcached.pause, memcached.resume), (memcached.kill, memcached.start)))
    while not over.wait(0.4):
        gateway = order.choice(gateways)
        gateway.kill()
        gateway.start()
        if not over.wait(0.2):
            begin, end = next(troubles)
            begin()
            over.wait(0.3)
            end()


@pytest.fixture
def gateways(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Gateway]]:
    folder = tmp_path_factory.mktemp("gateways")
    with ExitStack() as running, ThreadPoolExecutor(GATEWAYS) as pool:
        made = [Gateway(folder, api.variables) for _ in range(GATEWAYS)]
        for each in made:
            running.callback(each.close)
        list(pool.map(Gateway.start, made))
        yield made


def test_every_stream_holds_exactly_its_events(api: Api, gateways: list[Gateway], memcached_of: Memcached) -> None:
    followed = []
    for number in range(CLIENTS):
        person = Person(fresh := api.fresh(), (made := fresh.register()).id, made.email).log_in()
        client = Client(person, gateways, number)
        followed.append(Changes(client, person, ends=number % 3 == 0, seed=number))
        client.start()
    assert all(each.client.connected.wait(WAIT_S) for each in followed)
    over = threading.Event()
    with ThreadPoolExecutor(CLIENTS + 1) as pool:
        troubled = pool.submit(trouble, gateways, memcached_of, over)
        made_all = [pool.submit(each.make) for each in followed]
        for each in made_all:
            each.result(WAIT_S)
        over.set()
        troubled.result(WAIT_S)
    for change in followed:
        client = change.client
        whole = list(range(2, change.told + 1))
        if change.told == 1 + CHANGES:
            assert becomes_true(lambda: client.seen == whole or bool(client.odd), WAIT_S), (client.seen, whole)
        else:
            assert client.refused.wait(WAIT_S)
            assert client.seen == whole[: len(client.seen)]
        client.over.set()
        assert client.odd == []
