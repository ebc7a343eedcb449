"""A world of simulated servers with two workers, for tests of single properties."""

from collections.abc import Iterator

import pytest

from tests.unit.coherence.model.rooms import Room


@pytest.fixture
def room() -> Iterator[Room]:
    """Calls to servers pause, and others run meanwhile, in an order that is always the same."""
    made = Room()
    yield made
    made.world.scheduler.close()
