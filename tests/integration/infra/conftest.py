"""Fixtures: cooperative waits in their mode for threads, and `until`."""

import threading
import time
from collections.abc import Callable, Iterator

import psycopg2.extensions
import pytest

from app.infra import cooperative

Until = Callable[[Callable[[], object]], None]


@pytest.fixture(autouse=True)
def waits() -> Iterator[None]:
    before = psycopg2.extensions.get_wait_callback()
    cooperative.install("threads")
    yield
    psycopg2.extensions.set_wait_callback(before)


@pytest.fixture(scope="session")
def until() -> Until:
    """Poll until the condition holds; AssertionError after 15 s."""

    def ask(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 15
        while not condition():
            assert time.monotonic() < deadline, "the condition never held"
            threading.Event().wait(0.005)

    return ask
