"""One release of the service: its secrets, database, caches and pods."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from app.local.process import becomes_true
from tests.api_client import Api
from tests.service import Service
from tests.sql import ask

KINDS = ("meinheld", "gthread")
WINDOW_S = 60  # of every limit
Result = TypeVar("Result")
CHEAP: dict[str, object] = {"passwords": {"bcrypt_cost": 4, "queue": 1000}}


class Tuning:
    """A tuning file as Kubernetes mounts it: a link through `..data`, a link that each update replaces."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._versions = folder, 0
        self.path = folder / "tuning.json"
        folder.mkdir()
        self.write(CHEAP)
        self.path.symlink_to("..data/tuning.json")

    def write(self, content: Mapping[str, object] | bytes) -> None:
        """Replace the content atomically."""
        self._versions += 1
        version = self._folder / f"..{self._versions}"
        version.mkdir()
        text = content if isinstance(content, bytes) else json.dumps(content).encode()
        (version / "tuning.json").write_bytes(text)
        new = self._folder / "..data_tmp"
        new.symlink_to(version.name)
        new.rename(self._folder / "..data")


@dataclass(frozen=True)
class Release:
    """`variables` apply to every pod; `direct_url` is the database without PgBouncer."""

    folder: Path
    variables: Mapping[str, str]
    direct_url: str
    tuning: Tuning

    def pod(self, kind: str = KINDS[0], **variables: str) -> Service:
        """A service with two workers, not started."""
        return Service(self.folder, {**self.variables, "WORKER": kind, "WORKERS": "2", **variables})

    def api(self, pod: Service) -> Api:
        return Api(pod.url, self.query)

    def query(self, sql: str, parameters: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        return ask(self.direct_url, sql, parameters)


def in_one_window(count: Callable[[], Result]) -> Result:
    """The result of a `count` within one window; it is repeated if a new minute began meanwhile."""
    while True:
        window = time.time() // WINDOW_S
        result = count()
        if time.time() // WINDOW_S == window:
            return result


def wait_for(condition: Callable[[], bool], what: str, timeout_s: float = 30) -> None:
    """Wait until `condition()` holds; AssertionError naming `what` after `timeout_s`."""
    assert becomes_true(condition, timeout_s), f"timed out after {timeout_s:g} s: {what}"
