"""Fixtures of the operator's tests; each module that has an `operator` has a `platform` of its own."""

from collections.abc import Iterator

import pytest

from app.local.memcached import Memcached
from tests.integration.operator.platform import Platform, RunningOperator


@pytest.fixture(scope="module")
def server() -> Iterator[Memcached]:
    with Memcached(port=0, memory_mb=64) as running:
        yield running


@pytest.fixture
def operator(platform: Platform) -> Iterator[RunningOperator]:
    running = platform.operator()
    yield running
    running.crash()
