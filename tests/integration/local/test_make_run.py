"""`make run` with the real service."""

import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from app.local.postgres import free_port
from app.local.process import becomes_true

ROOT = Path(__file__).parents[3]
WAIT_S = 120.0


class MakeRun:
    """`make run` in a process group of its own, as a terminal starts it."""

    def __init__(self, state: Path) -> None:
        self.port = free_port()
        self.output = state.with_suffix(".output")
        with self.output.open("w") as output:
            self.process = psutil.Popen(
                ["make", "run", f"ARGS=--state {state}"],
                cwd=ROOT,
                env=os.environ | {"PORT": str(self.port), "WORKERS": "1"},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        becomes_true(lambda: "Ctrl-C stops it" in self.text or self.process.poll() is not None, WAIT_S)
        assert "Ctrl-C stops it" in self.text, self.text
        self.family = [self.process, *self.process.children(recursive=True)]

    @property
    def text(self) -> str:
        return self.output.read_text()

    def post(self, path: str, body: dict[str, str]) -> int:
        """The status of one request."""
        url, headers = f"http://127.0.0.1:{self.port}/api/v1/{path}", {"Content-Type": "application/json"}
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)

    def everything_ends(self) -> bool:
        self.process.wait(WAIT_S)
        return becomes_true(lambda: not [each for each in self.family if each.is_running()], WAIT_S)


@pytest.fixture(scope="module")
def state(open_folder: Path) -> Path:
    return open_folder / "make-run"


@pytest.fixture
def running(state: Path) -> Iterator[MakeRun]:
    instance = MakeRun(state)
    yield instance
    if instance.process.is_running():
        instance.process.terminate()
        instance.everything_ends()


ADA = {"email": "ada@example.com", "password": "a long walk in the rain", "name": "Ada"}


def test_sigterm_to_make_leaves_no_process(running: MakeRun) -> None:
    assert "app seed --jobs 3000" in running.text
    assert running.post("auth/register", ADA) == 201
    running.process.terminate()
    assert running.everything_ends()
    assert "Traceback" not in running.text


def test_accounts_survive_a_restart_and_ctrl_c_leaves_no_process(running: MakeRun) -> None:
    assert running.post("auth/login", {name: ADA[name] for name in ("email", "password")}) == 200
    os.killpg(running.process.pid, signal.SIGINT)
    assert running.everything_ends()
    assert "Traceback" not in running.text
