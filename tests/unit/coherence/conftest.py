"""A world of simulated servers with two workers, for tests of single properties."""

from collections.abc import Iterator

import pytest

from tests.unit.coherence.model.rooms import Room


@pytest.fixture
def room() -> Iterator[Room]:
    """Each call to a server pauses its task, and other tasks run meanwhile in a fixed order."""
    made = Room()
    yield made
    made.world.scheduler.close()
