"""The live settings: read from a file, and read again whenever it is another one."""

import logging
from collections.abc import Callable
from pathlib import Path

from app.config import Tuning, read_tuning

log = logging.getLogger(__name__)

Subscriber = Callable[[Tuning], object]
Identity = tuple[int, int, int, int]


class LiveTuning:
    """`current` is always whole and valid: a bad file is refused with a log line, and the last good one stays.

    `default` holds where `path` is None, where there is no file, and for what the file leaves out.
    """

    def __init__(self, path: Path | None, default: Tuning) -> None:
        self._path, self._default = path, default
        self._subscribers: list[Subscriber] = []
        self._identity: Identity | None = None
        self.current = default
        self.refused = 0
        self.poll()

    @property
    def generation(self) -> int:
        """The number that the file gives itself."""
        return self.current.generation

    def subscribe(self, subscriber: Subscriber) -> None:
        """Call `subscriber` with each later tuning."""
        self._subscribers.append(subscriber)

    def poll(self) -> bool:
        """Look at the file; True when another tuning holds from now on."""
        if self._path is None:
            return False
        identity = _identity(self._path)
        if identity == self._identity:
            return False
        self._identity = identity
        try:
            tuning = read_tuning(self._path.read_bytes(), self._default)
        except (OSError, ValueError) as error:
            self.refused += 1
            log.warning("the tuning file %s is refused, generation %s stays: %s", self._path, self.generation, error)
            return False
        return self._apply(tuning)

    def _apply(self, tuning: Tuning) -> bool:
        if tuning == self.current:
            return False
        self.current = tuning
        for subscriber in self._subscribers:
            try:
                subscriber(tuning)
            except Exception:
                log.exception("generation %s of the tuning was not applied everywhere", tuning.generation)
        log.info("generation %s of the tuning holds", tuning.generation)
        return True


def _identity(path: Path) -> Identity:
    """What differs between two versions of a file, also when Kubernetes swaps the link that leads to it."""
    try:
        status = path.stat()
    except OSError:
        return (0, 0, 0, 0)
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
