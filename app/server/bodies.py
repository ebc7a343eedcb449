"""What the bodies of requests may come to: one by its method and path, and all of a worker together.

Both are decided when the headers have come, so that what is refused is never read; csource/bodies.h does the same under
meinheld.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.server.refusals import Refusal

BodyLimit = Callable[[str, str], int]
"""(method, path) -> bytes that the body of a request may have."""


class Bodies:
    """The bytes that the bodies under way in this process may come to: their length, or the limit of a chunked one."""

    def __init__(self, most: int) -> None:
        self._most, self._held, self._lock = most, 0, threading.Lock()

    @contextmanager
    def held(self, size: int) -> Iterator[None]:
        """Count `size` for as long as the request lasts; raises Refusal where there is no room."""
        with self._lock:
            if self._held + size > self._most:
                raise Refusal(503)
            self._held += size
        try:
            yield
        finally:
            with self._lock:
                self._held -= size
