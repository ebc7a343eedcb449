"""app/server/README.md names settings that exist, with their defaults."""

import math
import re
from operator import attrgetter
from pathlib import Path

from app.config import Settings, Tuning
from app.routes import ROUTES
from app.web.body_limits import largest_body_of
from app.web.openapi.operations import operations_of

PAGE = (Path(__file__).parents[3] / "app" / "server" / "README.md").read_text()
NO_SETTINGS = {"POST", "GET", "HEAD", "RLIMIT_NOFILE"}


def test_every_setting_exists() -> None:
    named = set(re.findall(r"`([A-Z][A-Z_]+)(?:=\w+)?`", PAGE)) - NO_SETTINGS
    assert named
    assert [name for name in sorted(named) if not hasattr(Settings, name.lower())] == []


def test_times_are_the_defaults() -> None:
    told = re.findall(r"`([A-Z_]+)` \((\d+) s\)", PAGE)
    assert {name for name, _ in told} == {"HEADER_TIMEOUT", "BODY_TIMEOUT", "KEEPALIVE"}
    assert all(getattr(Settings(), name.lower()) == int(seconds) for name, seconds in told)


def test_sizes_and_limits_are_the_defaults() -> None:
    assert "`BODY_MEMORY` (16 MiB)" in PAGE
    assert Settings().body_memory == 2**24
    sizes = [largest_body_of(op) for _, kind in ROUTES for _, op in operations_of(kind) if op.body is not None]
    largest = math.ceil(max(sizes) / 1000)
    assert f"allow bodies of {largest} kB" in PAGE
    assert f"to {largest} kB (413" in PAGE
    (logins, name) = re.findall(r"its (\d+) logins a minute \(`([\w.]+)`\)", PAGE)[0]
    assert attrgetter(name)(Tuning()) == int(logins)
