"""Quotas of control groups, version 1 and 2."""

import os
from pathlib import Path

import pytest

from app.infra.machine.cores import cpu_quota, usable_cores


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def membership(tmp_path: Path) -> Path:
    return tmp_path / "cgroup"


def test_version_2_in_a_container(tmp_path: Path, membership: Path) -> None:
    membership.write_text("0::/\n")
    write(tmp_path / "fs/cpu.max", "150000 100000\n")
    assert cpu_quota(tmp_path / "fs", membership) == 1.5


def test_version_2_takes_the_smallest_quota_of_all_parents(tmp_path: Path, membership: Path) -> None:
    membership.write_text("0::/kubepods/pod1/app\n")
    write(tmp_path / "fs/kubepods/cpu.max", "max 100000\n")
    write(tmp_path / "fs/kubepods/pod1/cpu.max", "50000 100000\n")
    write(tmp_path / "fs/kubepods/pod1/app/cpu.max", "200000 100000\n")
    assert cpu_quota(tmp_path / "fs", membership) == 0.5


def test_version_1(tmp_path: Path, membership: Path) -> None:
    membership.write_text("5:memory:/docker/x\n4:cpu,cpuacct:/docker/x\n")
    write(tmp_path / "fs/cpu,cpuacct/cpu.cfs_quota_us", "300000\n")
    write(tmp_path / "fs/cpu,cpuacct/cpu.cfs_period_us", "100000\n")
    assert cpu_quota(tmp_path / "fs", membership) == 3.0


def test_no_quota(tmp_path: Path, membership: Path) -> None:
    assert cpu_quota(tmp_path / "fs", membership) is None
    membership.write_text("0::/\n4:cpu:/\n")
    write(tmp_path / "fs/cpu.max", "max 100000\n")
    write(tmp_path / "fs/cpu/cpu.cfs_quota_us", "-1\n")
    write(tmp_path / "fs/cpu/cpu.cfs_period_us", "100000\n")
    assert cpu_quota(tmp_path / "fs", membership) is None
    assert usable_cores(tmp_path / "fs", membership) == len(os.sched_getaffinity(0))


def test_part_of_a_core_is_one_worker(tmp_path: Path, membership: Path) -> None:
    membership.write_text("0::/\n")
    write(tmp_path / "fs/cpu.max", "10000 100000\n")
    assert usable_cores(tmp_path / "fs", membership) == 1
