"""How many workers the setting 0 starts."""

from pathlib import Path

import pytest

from app.infra.machine import workers
from app.infra.machine.memory import memory_limit
from app.infra.machine.workers import WORKERS_MOST, worker_count

MIB = 2**20


@pytest.mark.parametrize(
    ("cores", "memory", "expected"),
    [(8, None, 8), (8, 2048, 8), (8, 768, 6), (8, 300, 2), (8, 64, 1), (1, 4096, 1), (1000, None, WORKERS_MOST)],
)
def test_one_worker_per_core_within_the_memory_limit(
    monkeypatch: pytest.MonkeyPatch, cores: int, memory: int | None, expected: int
) -> None:
    monkeypatch.setattr(workers, "usable_cores", lambda: cores)
    monkeypatch.setattr(workers, "memory_limit", lambda: None if memory is None else memory * MIB)
    assert worker_count(0) == expected
    assert worker_count(7) == 7


def test_smallest_memory_limit_of_all_parents_is_taken(tmp_path: Path) -> None:
    membership, root = tmp_path / "cgroup", tmp_path / "fs"
    assert memory_limit(root, membership) is None
    membership.write_text("0::/pods/a\n")
    for folder, text in (("pods/a", "max"), ("pods", f"{512 * MIB}"), ("", f"{900 * MIB}")):
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / "memory.max").write_text(f"{text}\n")
    assert memory_limit(root, membership) == 512 * MIB


def test_version_1(tmp_path: Path) -> None:
    membership, root = tmp_path / "cgroup", tmp_path / "fs"
    membership.write_text("4:cpu,cpuacct:/x\n5:memory:/docker/x\n")
    (root / "memory/docker/x").mkdir(parents=True)
    (root / "memory/docker/x/memory.limit_in_bytes").write_text(f"{256 * MIB}\n")
    (root / "memory/memory.limit_in_bytes").write_text(f"{2**63 - 4096}\n")
    assert memory_limit(root, membership) == 256 * MIB
