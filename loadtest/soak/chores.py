"""What operators do meanwhile: live edits of the tuning file, rotation of token keys, imports of changing feeds.

Also changes of made-up sessions, which fill what workers remember.
"""

import json
import random
import re
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from app.coherence.keys import session_key
from app.coherence.log.change_log import ChangeLog
from app.coherence.log.history import HISTORY_KEYS
from app.infra.memcache.server import Server
from app.local.process import becomes_true
from loadtest.bed import Bed
from loadtest.imports.feed import write_feed
from loadtest.imports.runs import run_import
from loadtest.imports.store import add_company
from loadtest.soak.record import Kind, Record, Unexpected
from loadtest.soak.store import log_counter

LINES, LEFT_OUT, CHANGED = 600, 0.1, 0.1
APPLIED_S, PUBLISHED_S, SPARE_S = 20.0, 12.0, 20.0
"""A worker looks at its tuning every second and at its keys every five."""
CHANGES_EVERY_S, CHANGES_AT_ONCE = 0.25, 250
"""A worker that misses 4,096 changes begins to remember anew."""
NO_SESSION, TIMEOUT_S = 1 << 50, 5.0
"""Sessions have lower numbers."""

SLUG = "soak-import"
TUNED, ROTATED, IMPORTED = Kind("live edit", "chores"), Kind("key rotation", "chores"), Kind("import", "chores")
SMALL: dict[str, Any] = {
    "cache": {
        "user": {"capacity": 1000, "ttl_seconds": 3600},
        "blacklist": {"capacity": 200, "ttl_seconds": 86_400},
        "company": {"capacity": 100, "ttl_seconds": 3600},
        "job": {"capacity": 200, "ttl_seconds": 3600},
        "search": {"capacity": 100, "ttl_seconds": 3600},
        "answers_bytes": 4 << 20,
    }
}
"""Caches that fill within the warm-up, so that whatever grows after it is no cache."""

EDITS: Sequence[dict[str, Any]] = (
    {"database": {"pool_max": 16}},
    {"compression": {"enabled": False}},
    {"passwords": {"threads": 1}},
    {"database": {"pool_min": 4, "pool_max": 32}},
    {"compression": {"gzip_level": 1, "brotli_quality": 1}},
    {"tasks": {"concurrency": 2}},
    {"accounts": {"streams_per_user": 10}},
    {},
)
_GENERATION = re.compile(r"^jobfinder_\w*tuning_generation\S* (\d+)(?:\.0)?$", re.MULTILINE)


@dataclass
class Tuning:
    """Edits that come again and again; `ports` are those of all processes with live settings."""

    bed: Bed
    record: Record
    ports: Sequence[int]
    _number: int = 0

    def step(self) -> None:
        """Write the next edit, and wait until every process has applied it."""
        edit = EDITS[self._number % len(EDITS)]
        self._number += 1
        began = time.monotonic()
        wanted = self.bed.write_tuning(SMALL | edit)
        if not becomes_true(_slowly(lambda: set(self._generations()) == {wanted}), APPLIED_S):
            raise Unexpected(f"generation {wanted} is not applied everywhere: {self._generations()}")
        self.record.answered(TUNED, (time.monotonic() - began) * 1000)

    def _generations(self) -> list[int]:
        """Of each worker of each process."""
        return [int(number) for port in self.ports for number in _GENERATION.findall(scraped(port))]


@dataclass
class Rotation:
    """A new key is published, then signs; the old one is removed when its last token has expired."""

    folder: Path
    record: Record
    token_s: float
    wait: Callable[[float], bool]
    """Waits so many seconds; True if the test is over."""

    port: int
    _number: int = 0

    def step(self) -> None:
        self._number += 1
        began = time.monotonic()
        kid, key = f"soak-{self._number:04}", Ed25519PrivateKey.generate()
        old = list(self.folder.glob("*.pem"))
        self._put(kid, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        if self.wait(PUBLISHED_S):
            return
        self._put(kid, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        if self.wait(PUBLISHED_S + self.token_s + SPARE_S):
            return
        for each in old:
            each.unlink()
        if self.wait(PUBLISHED_S):
            return
        if (published := self._published()) != {kid}:
            raise Unexpected(f"the keys {sorted(published)} are published, only {kid} should be")
        self.record.answered(ROTATED, (time.monotonic() - began) * 1000)

    def _put(self, kid: str, content: bytes) -> None:
        new = self.folder / f".{kid}"
        new.write_bytes(content)
        new.chmod(0o600)
        new.rename(self.folder / f"{kid}.pem")

    def _published(self) -> set[str]:
        keys = json.loads(scraped(self.port, "/.well-known/jwks.json"))["keys"]
        return {each["kid"] for each in keys}


@dataclass
class Imports:
    """`python -m app import` of a feed of which each time other lines are missing, and others changed."""

    bed: Bed
    record: Record
    chance: random.Random = field(default_factory=lambda: random.Random(5))
    most_bytes: int = 0
    """The most that an import had resident."""

    def prepare(self) -> None:
        """Write the feed and add its company."""
        whole = self.bed.folder / "whole.ndjson"
        write_feed(whole, LINES)
        self._lines = [json.loads(line) for line in whole.read_text().splitlines()]
        add_company(self.bed.postgres.direct_url, SLUG)

    def step(self) -> None:
        lines = [self._changed(each) for each in self._lines if self.chance.random() >= LEFT_OUT]
        path = self.bed.folder / "feed.ndjson"
        path.write_text("".join(json.dumps(each) + "\n" for each in lines))
        done = run_import(self.bed, path, SLUG)
        self.most_bytes = max(self.most_bytes, done.memory)
        self.record.answered(IMPORTED, done.seconds * 1000)

    def _changed(self, line: dict[str, Any]) -> dict[str, Any]:
        if self.chance.random() >= CHANGED:
            return line
        return line | {"title": f"{line['title']} {self.chance.randint(1, 5)}"}


class Changes:
    """Changes that fill, within the warm-up, the positions of changed keys that each worker remembers.

    Raises Unexpected if no worker follows the log.
    """

    def __init__(self, bed: Bed, warm_up_s: float) -> None:
        (address,) = bed.settings.memcached_servers
        self._log = ChangeLog(Server(address, TIMEOUT_S)).counted_by(log_counter(bed.postgres.direct_url))
        if self._log.last() is None:
            raise Unexpected("the log of changes has no counter")
        number = min(HISTORY_KEYS, int(warm_up_s / CHANGES_EVERY_S) * CHANGES_AT_ONCE)
        self._keys = map(session_key, range(NO_SESSION, NO_SESSION + number))

    def step(self) -> None:
        """Publish some; none when there have been enough."""
        if keys := list(islice(self._keys, CHANGES_AT_ONCE)):
            self._log.enter(self._log.take(len(keys)), keys)


def scraped(port: int, path: str = "/metrics") -> str:
    """What a process of the service says on one of its pages."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return str(answer.read().decode())


def _slowly(condition: Callable[[], bool]) -> Callable[[], bool]:
    """The same condition, looked at twice a second at most."""

    def looked() -> bool:
        time.sleep(0.5)
        return condition()

    return looked
