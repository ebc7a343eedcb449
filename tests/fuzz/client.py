"""Sends cases on many connections at once, and checks the responses to canary requests."""

import errno
import heapq
import itertools
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from tests.fuzz.mutations import Case, case

CONNECTIONS = 64
SOURCES = 200  # loopback source addresses, each with its own ports
PATIENCE_S = 5.0
RESET = struct.pack("ii", 1, 0)


@dataclass
class Tally:
    """The counts of a run."""

    cases: int = 0
    received: int = 0
    answers: int = 0
    connections: int = 0
    canaries: int = 0
    wrong: list[str] = field(default_factory=list)


class Player:
    """Plays one case after another, on one connection at a time."""

    def __init__(self, campaign: "Campaign") -> None:
        self._campaign = campaign
        self._sock: socket.socket | None = None
        self._begin()

    def fileno(self) -> int:
        return self._sock.fileno() if self._sock else -1

    def advance(self, now: float) -> float:
        """Send and receive without blocking; returns the latest time for the next call."""
        if self._sock is None:
            self._connect()
        try:
            self._send(now)
            over = now >= self._deaf_until and self._receive(now)
        except ConnectionRefusedError:
            raise
        except OSError as error:
            over = error.errno not in (errno.EAGAIN, errno.EINPROGRESS)
        if over or (not self._waiting and now >= self._quiet_at):
            self._end(over)
            return now
        return min(
            self._next_at if self._waiting else self._quiet_at,
            self._deaf_until if now < self._deaf_until else self._quiet_at,
        )

    def _begin(self) -> None:
        self._index, self._case = self._campaign.next_case()
        if self._case.answer is not None:
            self.leave()
        self._restart()

    def _restart(self) -> None:
        now = time.monotonic()
        self._waiting = list(reversed(self._case.pieces))
        self._got = b""
        self._halved = self._fresh = self._heard = False
        self._next_at, self._quiet_at = now, now + PATIENCE_S
        self._deaf_until = now + self._case.deaf_s

    def _connect(self) -> None:
        self._sock = socket.socket()
        self._sock.setblocking(False)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
        if self._case.deaf_s:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._sock.bind((f"127.0.1.{1 + self._campaign.tally.connections % SOURCES}", 0))
        with suppress(BlockingIOError):
            self._sock.connect(self._campaign.address)
        self._fresh = True
        self._campaign.tally.connections += 1
        self._campaign.watch(self)

    def _send(self, now: float) -> None:
        assert self._sock is not None
        while self._waiting and now >= self._next_at:
            sent = self._sock.send(self._waiting[-1])
            if sent < len(self._waiting[-1]):
                self._waiting[-1] = self._waiting[-1][sent:]
                self._next_at = now + 0.001
                return
            self._waiting.pop()
            self._next_at = now + self._case.gap_s
            self._quiet_at = now + (PATIENCE_S if self._waiting else self._case.patience_s + self._case.deaf_s)

    def _receive(self, now: float) -> bool:
        """Read what is there; True at the end of the connection."""
        assert self._sock is not None
        while data := self._sock.recv(1 << 18):
            self._heard = True
            self._campaign.tally.received += len(data)
            self._campaign.tally.answers += data.count(b"HTTP/1.1 ")
            if self._case.answer is not None:
                self._got += data
            elif not self._waiting:
                self._quiet_at = now + self._case.patience_s
        return True

    def _end(self, over: bool) -> None:
        if over and not self._fresh and not self._heard:
            self.leave()  # the server had already closed it
            self._restart()
            return
        if self._case.answer is not None:
            self._judge()
        if self._case.ending == "half" and not over and not self._halved:
            self._close_half()
            return
        if over or self._case.ending != "stay":
            self.leave()
        self._campaign.tally.cases += 1
        self._begin()

    def _close_half(self) -> None:
        assert self._sock is not None
        self._halved = True
        self._quiet_at = time.monotonic() + 0.05
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def leave(self) -> None:
        """Close the connection, if there is one."""
        if self._sock is not None:
            if self._case.ending == "reset":
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self._sock.close()
            self._sock = None

    def _judge(self) -> None:
        tally = self._campaign.tally
        wanted = b"\r\n\r\n" + (self._case.answer or b"")
        in_time, late, _ = self._got.partition(b"HTTP/1.1 408 ")
        if late and (not in_time or (in_time.endswith(wanted) and in_time.count(wanted) < self._case.times)):
            return  # this client was too slow with the rest
        tally.canaries += 1
        if not self._got.endswith(wanted) or self._got.count(wanted) != self._case.times:
            tally.wrong.append(f"case {self._index}: {self._got[-500:]!r} instead of {self._case.answer!r}")


class Campaign:
    """Runs the cases of `seed` from number `first` on, against `address`."""

    def __init__(self, address: tuple[str, int], seed: int, first: int = 0) -> None:
        self.address, self.tally = address, Tally()
        self._seed, self._indexes = seed, itertools.count(first)
        self._epoll = select.epoll()
        self._numbers = itertools.count()
        self._players: dict[int, Player] = {}

    def next_case(self) -> tuple[int, Case]:
        index = next(self._indexes)
        return index, case(self._seed, index)

    def watch(self, player: Player) -> None:
        self._players[player.fileno()] = player
        self._epoll.register(player.fileno(), select.EPOLLIN | select.EPOLLET)

    def run(self, done: Callable[[Tally], bool]) -> Tally:
        """Play until `done`, then close the connections."""
        players = [Player(self) for _ in range(CONNECTIONS)]
        due = [(0.0, next(self._numbers), player) for player in players]
        latest = dict.fromkeys(players, 0.0)
        while not done(self.tally):
            for player in self._ready(due, latest):
                latest[player] = player.advance(time.monotonic())
                heapq.heappush(due, (latest[player], next(self._numbers), player))
        for player in players:
            player.leave()
        self._epoll.close()
        return self.tally

    def _ready(self, due: list[tuple[float, int, Player]], latest: dict[Player, float]) -> Iterator[Player]:
        """The players that can read or are due; outdated entries of `due` are dropped."""
        wait = max(0.0, min(due[0][0] - time.monotonic(), 0.05)) if due else 0.0
        found = {self._players[fd] for fd, _ in self._epoll.poll(wait) if fd in self._players}
        now = time.monotonic()
        while due and due[0][0] <= now:
            at, _, player = heapq.heappop(due)
            if latest[player] == at:
                found.add(player)
        return iter(found)
