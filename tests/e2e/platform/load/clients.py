"""Connections of the finality checker to a Service: all pods have one address, worker ids tell them apart."""

import http.client
import select
import time
from dataclasses import dataclass, field, replace

from tests.pods.connections import LIVE, Answer, Connection, Connections, Request

SERVICE = "service"
LOST_UNSEEN = (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError)
IDLE_MOST_S = 0.5
"""A stopping server keeps idle connections for a second: a write on one that idles for less is always answered."""
LOOK_S = 0.5
LOOKS = 2
WORKERS_MOST = 12
"""How many worker processes behind a Service each client connects to."""


@dataclass(frozen=True)
class Address:
    """Where a Service answers on this machine."""

    host: str
    port: int
    name: str = ""
    """The `Host` to ask for; empty: the address itself."""

    @property
    def url(self) -> str:
        return f"http://{self.name or self.host}:{self.port}"


@dataclass
class Tally:
    """What the checker does not record: repeated reads, and new connections on which the first request failed.

    `pause_s`: seconds that each client waits before a request.
    """

    repeated: list[str] = field(default_factory=list)
    unreachable: list[str] = field(default_factory=list)
    pause_s: float = 0.0


class ServiceConnection(Connection):
    """Behaves as a good client library does: see `steady`."""

    def __init__(self, address: Address, tally: Tally) -> None:
        super().__init__(SERVICE, address.port, host=address.host)
        self._tally = tally
        self._answered = False
        self._used_at = 0.0

    def send(self, request: Request) -> Answer:
        """As in `Connection`; a read that is lost on a reused connection is repeated once on a new one.

        A write cannot be repeated, so it uses no connection that the server may be closing (RFC 9112, 9.3.1).
        """
        if self._tally.pause_s:
            time.sleep(self._tally.pause_s)
        idle_s = time.monotonic() - self._used_at
        if self._stale() or (request.method != "GET" and idle_s > IDLE_MOST_S):
            self._renew()
        worker, reused = self.worker, self._answered
        answer = super().send(request)
        self._answered, self._used_at = answer.answered, time.monotonic()
        if not answer.answered and request.path == LIVE:
            self._tally.unreachable.append(repr(self.error))
        if answer.answered or not reused or request.method != "GET" or not isinstance(self.error, LOST_UNSEEN):
            return answer
        self._tally.repeated.append(f"{request.path} lost by {worker}: {self.error!r}")
        self._renew()
        again = super().send(request)
        self._answered, self._used_at = again.answered, time.monotonic()
        return replace(again, start=answer.start)

    def _stale(self) -> bool:
        """Whether the server has closed the idle connection."""
        sock = self._http.sock
        if sock is None:
            return False
        look = select.poll()
        look.register(sock, select.POLLIN)
        return bool(look.poll(0))

    def _renew(self) -> None:
        self._http.close()
        self.worker, self.broken, self._answered = "", False, False


class ServiceConnections(Connections):
    """Tries now and then to reach workers to which this thread has no connection yet, at most `most` of them."""

    def __init__(self, address: Address, most: int, tally: Tally) -> None:
        super().__init__({SERVICE: address.port}, most)
        self._address, self._tally = address, tally

    def _attempts(self, pod: str) -> int:
        return LOOKS if self._open[pod] else super()._attempts(pod)

    def _connect(self, pod: str) -> Connection:
        return ServiceConnection(self._address, self._tally)

    def _complete(self, pod: str) -> None:
        """As in `Connections`, but less often, because the number of workers is not known."""
        super()._complete(pod)
        self._retry_at[pod] = time.monotonic() + LOOK_S
