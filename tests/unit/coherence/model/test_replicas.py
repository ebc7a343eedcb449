"""The model of reads on replicas: every order of small scenes, random runs, and each rule left out.

REPLICA_MODEL_RUNS is the number of random runs, REPLICA_MODEL_ORDERS the most orders with two interruptions of a scene.
"""

import os
from collections.abc import Callable

import pytest

from tests.unit.coherence.model import replicas
from tests.unit.coherence.model.replicas import Mutation
from tests.unit.coherence.model.scenes import count_orders
from tests.unit.coherence.model.world import World

RUNS = int(os.environ.get("REPLICA_MODEL_RUNS", "600"))
ORDERS = int(os.environ.get("REPLICA_MODEL_ORDERS", "100"))
FOUND_BY_CHANCE = (
    replicas.what_replicas_show_is_believed,
    replicas.places_are_taken_before_the_commit,
    replicas.no_lease_is_needed_for_replicas,
)
pytestmark = pytest.mark.timeout(300 + RUNS // 10 + ORDERS)


@pytest.mark.parametrize("scene", replicas.SCENES, ids=lambda scene: scene.__name__)
def test_no_promise_is_broken_in_any_order_of_a_scene(scene: Callable[[World], None]) -> None:
    assert count_orders(scene, switches=1, most=ORDERS)[1] is None
    orders, violation = count_orders(scene, 2, ORDERS)
    assert violation is None
    assert orders >= 100


def test_no_promise_is_broken_in_random_runs() -> None:
    worlds = [replicas.play_randomly(seed) for seed in range(RUNS)]
    assert [world.violations[0] for world in worlds if world.violations] == []
    assert sum(replicas.served(worker) for world in worlds for worker in world.workers) > RUNS / 4


@pytest.mark.parametrize("mutation", replicas.RULES, ids=lambda mutation: mutation.__name__)
def test_mutation_is_found_in_a_scene(mutation: Mutation) -> None:
    with mutation():
        _, violation = count_orders(replicas.RULES[mutation], switches=2, most=2000)
    assert violation


@pytest.mark.parametrize("mutation", FOUND_BY_CHANCE, ids=lambda mutation: mutation.__name__)
def test_mutation_is_found_in_random_runs(mutation: Mutation) -> None:
    with mutation():
        assert any(replicas.violations_of(range(first, first + 20)) for first in range(0, 5000, 20))
