"""gunicorn's options."""

import os
import resource
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

import pytest

from app.config import Settings
from app.errors import ConfigError
from app.infra.machine.workers import WORKERS_MOST, slots_of
from app.infra.metrics.counters import Counters
from app.server.gunicorn_app import Service, assign_slot, serve
from app.server.settings import bind_address, options


@pytest.mark.parametrize(
    ("host", "bind"),
    [
        ("127.0.0.1", "127.0.0.1:8000"),
        ("::1", "[::1]:8000"),
        ("unix:/tmp/s", "unix:/tmp/s"),
        ("localhost", "localhost:8000"),
    ],
)
def test_every_kind_of_address_can_be_listened_to(host: str, bind: str) -> None:
    assert bind_address(Settings(host=host)) == bind


@pytest.mark.parametrize(("ipv6", "bind"), [(True, "[::]:8000"), (False, "0.0.0.0:8000")])
def test_star_listens_on_ipv6_if_available(monkeypatch: pytest.MonkeyPatch, ipv6: bool, bind: str) -> None:
    monkeypatch.setattr("socket.has_dualstack_ipv6", lambda: ipv6)
    assert bind_address(Settings(host="*")) == bind


def test_workers_default_to_the_number_of_cores() -> None:
    assert options(Settings(workers=7))["workers"] == 7
    assert 1 <= options(Settings())["workers"] <= len(os.sched_getaffinity(0))


def test_the_soft_limit_of_descriptors_is_raised() -> None:
    code = (
        "import resource; hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1];"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard));"
        "from app.server.settings import descriptor_limit;"
        "print(descriptor_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    given, soft, kept = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert int(given) == int(soft) == (1_048_576 if hard == resource.RLIM_INFINITY else hard)
    assert int(kept) == hard


@pytest.mark.parametrize("workers", [1, 2, 64, 65, 128, 129, WORKERS_MOST])
def test_there_is_a_slot_for_every_worker_of_two_generations(workers: int) -> None:
    service = Service(Settings(workers=workers), lambda slot: pytest.fail(), lambda method, path: 0)
    counters = Counters.create([("", "")], slots_of(workers))
    master = Master()
    for number in range(2 * workers):
        assign_slot(master, worker := Numbered())
        master.WORKERS[number] = worker
        assert counters.claim(worker.slot) == number
        counters.add("cache_hits")
        service.connections.forget(worker.slot)
    assert counters.snapshot().counters["cache_hits"] == 2 * workers


@pytest.mark.parametrize("workers", [WORKERS_MOST + 1, 10**9])
def test_too_many_workers_are_refused(workers: int) -> None:
    with pytest.raises(ConfigError, match=f"WORKERS: {workers} is more than {WORKERS_MOST}, "):
        options(Settings(workers=workers))


def test_too_small_body_memory_is_refused() -> None:
    with pytest.raises(ConfigError, match="BODY_MEMORY: at least 1048576"):
        serve(Settings(body_memory=1000), lambda slot: pytest.fail(), lambda method, path: 0)


@dataclass
class Numbered:
    slot: int = -1


@dataclass
class Master:
    WORKERS: dict[int, Any] = field(default_factory=dict)


def test_a_new_worker_gets_the_lowest_free_slot() -> None:
    master, worker = Master({1: Numbered(0), 2: Numbered(2)}), Numbered()
    assign_slot(master, worker)
    assert worker.slot == 1
    master.WORKERS[3] = worker
    assign_slot(master, worker := Numbered())
    assert worker.slot == 3
