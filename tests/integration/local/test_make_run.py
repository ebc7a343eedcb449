"""`make run` with the real service."""

import json
import os
import re
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from app.local.postgres import free_port
from app.local.process import becomes_true
from tests.tour import documents

ROOT = Path(__file__).parents[3]
WAIT_S = 120.0


class MakeRun:
    """`make run` with a replica, in a process group of its own, as a terminal starts it."""

    def __init__(self, state: Path) -> None:
        self.port = free_port()
        self.output = state.with_suffix(".output")
        with self.output.open("w") as output:
            self.process = psutil.Popen(
                ["make", "run", f"ARGS=--state {state}"],
                cwd=ROOT,
                env=os.environ | {"PORT": str(self.port), "WORKERS": "1", "REPLICAS": "1"},
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

    def reads_on_a_replica(self) -> bool:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/health", timeout=30) as answer:
            return bool(json.load(answer)["checks"]["replicas"]["servers_up"] == 1)

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
    assert becomes_true(running.reads_on_a_replica, WAIT_S)
    assert [each for each in running.family if each.is_running() and each.cmdline()[-1:] == ["worker"]]
    running.process.terminate()
    assert running.everything_ends()
    assert "Traceback" not in running.text


def test_mails_of_the_readme_prove_and_recover(running: MakeRun, state: Path) -> None:
    assert f"mail           {state / 'mail'}" in running.text
    printed = re.search(r"<!-- mails -->\n```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert printed
    script = printed[1].replace("127.0.0.1:8000", f"127.0.0.1:{running.port}").replace(".run/mail", str(state / "mail"))
    shell = ["timeout", str(WAIT_S), "bash", "-euo", "pipefail", "-c", script]
    output = subprocess.run(shell, check=True, capture_output=True, text=True).stdout
    registered, saved, offered, ended = documents(output)
    assert (registered["verified_at"], saved["frequency"], offered["state"], ended) == (None, "instant", "open", 200)
    url, python = f"http://127.0.0.1:{running.port}", ROOT / ".venv" / "bin" / "python"
    command = [str(python), "-m", "app", "demo", "--url", url, "--state", str(state)]
    demo = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert demo.returncode == 0, (demo.stdout[-3000:], demo.stderr[-3000:])
    assert [each in demo.stdout for each in ("Set it by the mail", "end the alerts as mail programs do")] == [True] * 2


def test_accounts_survive_a_restart_and_ctrl_c_leaves_no_process(running: MakeRun) -> None:
    assert running.post("auth/login", {name: ADA[name] for name in ("email", "password")}) == 200
    os.killpg(running.process.pid, signal.SIGINT)
    assert running.everything_ends()
    assert "Traceback" not in running.text
