"""A thread that runs the clients of a checker until a test is over."""

import threading
from collections.abc import Callable

Meanwhile = Callable[[threading.Event], None]


class Checker(threading.Thread):
    """Runs `drive`, whose `meanwhile` ends when `over` is set; an exception is kept in `failure`."""

    def __init__(self, drive: Callable[[Meanwhile], None], over: threading.Event) -> None:
        super().__init__(name="checker")
        self._drive, self._over = drive, over
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Return when all clients have ended."""
        try:
            self._drive(self._until_over)
        except BaseException as error:
            self.failure = error

    def _until_over(self, enough: threading.Event) -> None:
        self._over.wait()
