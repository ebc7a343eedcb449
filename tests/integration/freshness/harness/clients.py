"""What all clients of the checker have in common: their pace, and requests to any worker."""

import random
import threading
import time

from tests.integration.freshness.harness.record import Record
from tests.pods.connections import Answer, Connection, Connections, Request

PERIOD_S, CALM_S, SETTLED_S = 1.2, 0.4, 0.1
BEHIND_S = 3.0
"""For how long a pace that fell behind makes up for it, as after a fault during which nothing was answered."""


class Pace:
    """Shares `rate` steps a second among several clients; none is due in the last `calm_s` of each period.

    During a calm what is kept of a search can be used, so that it shows whether it is out of date.
    """

    def __init__(self, rate: float, calm_s: float = 0.0) -> None:
        self._busy_s, self._due, self._lock = PERIOD_S - calm_s, time.monotonic(), threading.Lock()
        self._pause_s = self._busy_s / PERIOD_S / rate

    def wait(self) -> None:
        """Return when the next step is due; a pace that fell behind by less than `BEHIND_S` catches up."""
        with self._lock:
            now = time.monotonic()
            self._due = self._busy(max(self._due + self._pause_s, now - BEHIND_S))
            at = self._busy(max(self._due, now))
        time.sleep(at - now)

    def _busy(self, moment: float) -> float:
        """The moment itself, or the end of the calm in which it is."""
        return moment if moment % PERIOD_S <= self._busy_s else moment + PERIOD_S - moment % PERIOD_S

    def rests(self) -> bool:
        """Whether a calm has begun some time ago and is not over."""
        return time.monotonic() % PERIOD_S > self._busy_s + SETTLED_S


class Client:
    """Sends over connections to all workers, and counts the answers by their status."""

    def __init__(self, record: Record, connections: Connections, seed: int) -> None:
        self._record, self._connections, self._random = record, connections, random.Random(seed)

    def send(self, kind: str, request: Request, connection: Connection | None = None) -> Answer:
        """Send to a random worker unless a connection is given."""
        used = connection or self._connections.any(self._random)
        answer = used.send(request)
        self._record.answers[kind, answer.status] += 1
        if not answer.answered:
            self._record.lost.append(f"{request.method} {request.path} was lost by {answer.worker}: {used.error!r}")
        if answer.status not in (0, 503) and answer.status >= 500:
            self._record.strange.append(f"{request.method} {request.path} was answered {answer.status} {answer.body}")
        return answer
