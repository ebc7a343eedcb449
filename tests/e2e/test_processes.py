"""Servers of the test cluster are identified by pid, start time and boot id, because a pid alone may be reused."""

import dataclasses
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cluster.config import ClusterError, Folders
from tests.e2e.cluster.servers import processes
from tests.e2e.cluster.shell import wait_for


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Folders]:
    folders = Folders(tmp_path / "cache", tmp_path / "state")
    folders.state.mkdir()
    yield folders
    processes.end(processes.servers(folders), grace_s=0)


def test_later_run_ends_the_server_of_an_earlier_run(state: Folders) -> None:
    processes.start(state, "sleeper", "sleep", ["60"])
    (server,) = processes.servers(state)
    assert server.alive
    processes.end([server])
    assert not server.alive


def test_server_that_ignores_sigterm_is_killed(state: Folders) -> None:
    server = processes.start(state, "stubborn", "sh", ["-c", "trap '' TERM; while :; do sleep 1; done"])
    processes.end([server], grace_s=0.2)
    assert not server.alive


@pytest.mark.parametrize("other", [{"started": "1"}, {"boot": "of another day"}])
def test_process_with_a_reused_pid_is_not_killed(state: Folders, other: dict[str, str]) -> None:
    with subprocess.Popen(["sleep", "60"]) as bystander:
        mistaken = processes.start(state, "sleeper", "sleep", ["60"])
        mistaken = dataclasses.replace(mistaken, pid=bystander.pid, **other)
        processes.end([mistaken], grace_s=0)
        assert bystander.poll() is None
        bystander.kill()


def test_error_shows_the_end_of_the_log_of_an_ended_server(state: Folders) -> None:
    server = processes.start(state, "unlucky", "sh", ["-c", "echo no room; exit 1"])
    wait_for("its end", lambda: not server.alive, 10)
    with pytest.raises(ClusterError, match=r"unlucky has ended(.|\n)*no room"):
        processes.check_alive(state)


def test_server_without_a_start_time_is_not_alive(state: Folders) -> None:
    server = processes.start(state, "quick", "true", [])
    wait_for("its end", lambda: not server.alive, 10)
    assert not dataclasses.replace(server, started="").alive
