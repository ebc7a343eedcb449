"""Waiting for new events: many requests of a worker wait, and one query at a time asks for all of them."""

import time

from app.errors import Unavailable
from app.events.service import EventLog
from app.events.store import Place
from app.infra.cooperative import in_greenlets, sleep

WAIT_MAX_S = 25
ASK_EVERY_S = 0.25
WAITING_MAX, WAITING_MAX_IN_THREADS = 200, 4
"""Requests of one worker that may wait; others are answered at once. A waiting request holds no connection."""


class Tail:
    """The newest event that can be read, asked for at most every ASK_EVERY_S and only while somebody waits."""

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self._waiting = 0
        self._newest, self._asked_at = Place(), float("-inf")

    @property
    def waiting(self) -> int:
        """How many requests wait now."""
        return self._waiting

    def wait(self, place: Place, seconds: float) -> bool:
        """Whether there is an event after `place`, at the latest after `seconds`."""
        if self._waiting >= (WAITING_MAX if in_greenlets() else WAITING_MAX_IN_THREADS):
            return False
        deadline = time.monotonic() + seconds
        self._waiting += 1
        try:
            while (left_s := deadline - time.monotonic()) > 0:
                sleep(min(ASK_EVERY_S, left_s))
                if self._moved(place):
                    return True
            return False
        finally:
            self._waiting -= 1

    def _moved(self, place: Place) -> bool:
        now = time.monotonic()
        if now - self._asked_at >= ASK_EVERY_S:
            self._asked_at = now
            try:
                self._newest = self._events.last()
            except Unavailable:
                return False
        return self._newest > place
