"""app/server/README.md names settings that exist, with their defaults."""

import re
from operator import attrgetter
from pathlib import Path

from app.config import Settings, Tuning

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
    assert "1 MiB (`BODY_LIMIT`)" in PAGE
    assert Settings().body_limit == 2**20
    (logins, name) = re.findall(r"its (\d+) logins a minute \(`([\w.]+)`\)", PAGE)[0]
    assert attrgetter(name)(Tuning()) == int(logins)
