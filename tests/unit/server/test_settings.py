"""gunicorn's options."""

import os
import resource
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

import pytest

from app.config import Settings
from app.server.gunicorn_app import assign_slot
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


def test_there_is_a_worker_for_each_core_unless_told_otherwise() -> None:
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
