"""The live settings, loaded from a file and reloaded when it changes."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from app.config import Tuning
from app.infra.machine.files import FileIdentity, file_identity

log = logging.getLogger(__name__)

Subscriber = Callable[[Tuning], object]
Unfit = Callable[[Tuning], Sequence[str]]


class LiveTuning:
    """`current` is always complete and valid: an invalid file is logged, and the last valid settings stay.

    `default` is used when `path` is None, when there is no file, and for settings that the file leaves out. `unfit`
    returns the reasons why a well-formed file cannot be used here.
    """

    def __init__(self, path: Path | None, default: Tuning, unfit: Unfit = lambda _tuning: ()) -> None:
        self._path, self._default, self._unfit = path, default, unfit
        self._subscribers: list[Subscriber] = []
        self._identity: FileIdentity = None
        self.current = default
        self.refused = 0
        if path is not None:
            self._identity = file_identity(path)
            if self._identity is None:
                log.warning("there is no tuning file %s yet, using the defaults", path)
            else:
                self._read(path)

    @property
    def generation(self) -> int:
        """The generation number in the file."""
        return self.current.generation

    def subscribe(self, subscriber: Subscriber) -> None:
        """Call `subscriber` with each later tuning."""
        self._subscribers.append(subscriber)

    def poll(self) -> bool:
        """Check the file; True when the tuning has changed."""
        if self._path is None:
            return False
        identity = file_identity(self._path)
        if identity == self._identity:
            return False
        self._identity = identity
        return self._read(self._path)

    def _read(self, path: Path) -> bool:
        try:
            tuning = self._fitting(path.read_bytes())
        except (OSError, ValueError) as error:
            self.refused += 1
            log.warning("the tuning file %s is refused, generation %s stays: %s", path, self.generation, error)
            return False
        return self._apply(tuning)

    def _fitting(self, text: bytes) -> Tuning:
        tuning = read_tuning(text, self._default)
        if problems := self._unfit(tuning):
            raise ValueError("; ".join(problems))
        return tuning

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


def read_tuning(text: bytes, default: Tuning) -> Tuning:
    """Decode a tuning file; what it leaves out keeps `default`. Raises ValueError with the place and the reason."""
    try:
        given = msgspec.json.decode(text)
    except RecursionError:
        raise ValueError("the tuning file is nested too deeply") from None
    if not isinstance(given, dict):
        raise ValueError("the tuning file must hold one JSON object")
    tuning = msgspec.convert(_merged(msgspec.to_builtins(default), given), Tuning)
    if tuning.database.pool_min > tuning.database.pool_max:
        raise ValueError("database.pool_min is above database.pool_max")
    return tuning


def _merged(default: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    merged = dict(default)
    for name, value in given.items():
        both = isinstance(value, dict) and isinstance(default.get(name), dict)
        merged[name] = _merged(default[name], value) if both else value
    return merged
