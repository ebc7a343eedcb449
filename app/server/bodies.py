"""Limits of request bodies: of each by its method and path, and of all of a worker together.

Both are checked when the headers are complete, so that a refused body is never read. For meinheld, csource/bodies.h
does the same.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.server.refusals import Refusal

SMALL_BODY = 8192

BodyLimit = Callable[[str, str], int]
"""(method, path) -> the largest allowed body in bytes."""


class Bodies:
    """Bounds the bytes of all bodies under way in this process; a chunked body counts with its limit.

    Only small bodies may have the last sixteenth: a few clients that announce large ones do not keep all others from
    logging in.
    """

    def __init__(self, most: int) -> None:
        self._most, self._held, self._lock = most, 0, threading.Lock()

    @contextmanager
    def held(self, size: int) -> Iterator[None]:
        """Reserve `size` bytes while the request lasts; raises Refusal (503) when `most` would be exceeded."""
        most = self._most - self._most // 16 if size > SMALL_BODY else self._most
        with self._lock:
            if self._held + size > most:
                raise Refusal(503)
            self._held += size
        try:
            yield
        finally:
            with self._lock:
                self._held -= size
