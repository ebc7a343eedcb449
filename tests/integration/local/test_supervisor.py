"""`make run`: the servers start and stop together, and failures have a clear message."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.local.postgres import Postgres, free_port
from app.local.process import becomes_true
from tests.sql import ask

ROOT = Path(__file__).parents[3]
STUB = Path(__file__).with_name("stub_service.py")
RUN = """
import json, sys; from pathlib import Path; from app.local.run import run
state, service, without = json.loads(sys.argv[1])
sys.exit(run(Path(state), {"the service": service}, without))
"""
START_S = STOP_S = 60.0
UNSET = ("/usr/bin/env", "--default-signal")  # the parent of the tests may ignore signals, as nohup does


class Instance:
    """One supervisor in a process of its own, with a stub as the service."""

    def __init__(
        self, state: Path, port: int, prefix: Sequence[str] = UNSET, without: Sequence[str] = (), **environment: str
    ) -> None:
        self.port = port
        self.output = state.with_name(f"{state.name}-output-{port}")
        arguments = json.dumps([str(state), [sys.executable, str(STUB)], list(without)])
        with self.output.open("w") as output:
            self.process = psutil.Popen(
                [*prefix, sys.executable, "-c", RUN, arguments],
                cwd=ROOT,
                env=os.environ | {"PORT": str(port)} | environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def text(self) -> str:
        return self.output.read_text()

    def answering(self) -> "Instance":
        """Wait for the announcement of the address."""
        becomes_true(lambda: "Ctrl-C stops it" in self.text or self.process.poll() is not None, START_S)
        assert f"http://127.0.0.1:{self.port}" in self.text, self.text
        return self

    def environment(self) -> dict[str, str]:
        """The variables that the service was started with."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/") as answer:
            variables: dict[str, str] = json.load(answer)
        return variables

    def family(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]

    def children(self, name: str) -> list[psutil.Process]:
        """Children with that name; short-lived tools may end during the search."""
        found = []
        for each in self.process.children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if name in each.name():
                    found.append(each)
        return found

    def ended(self) -> int:
        """The exit code, once the supervisor has ended."""
        code: int = self.process.wait(STOP_S)
        return code


@pytest.fixture
def state(open_folder: Path, request: pytest.FixtureRequest) -> Path:
    return open_folder / str(request.node.name).replace("[", "-").strip("]")


@pytest.fixture
def start(state: Path) -> Iterator[Callable[..., Instance]]:
    """Starts instances on `state`; those still running at the end are stopped."""
    started: list[Instance] = []

    def starter(port: int | None = None, **options: Any) -> Instance:
        started.append(Instance(state, port or free_port(), **options))
        return started[-1]

    yield starter
    for each in started:
        if each.process.is_running():
            each.process.terminate()
            each.ended()


def gone(processes: list[psutil.Process]) -> bool:
    return becomes_true(lambda: not [each for each in processes if each.is_running()], STOP_S)


def test_start_prints_the_address_and_gives_the_service_its_servers(start: Callable[..., Instance]) -> None:
    instance = start().answering()
    assert f"http://127.0.0.1:{instance.port}/docs" in instance.text
    assert f"curl -i http://127.0.0.1:{instance.port}/api/v1/auth/register" in instance.text
    environment = instance.environment()
    assert environment["ENVIRONMENT"] == "development"
    assert ask(environment["DATABASE_URL"], "SELECT count(*) FROM users") == [(0,)]
    assert ask(environment["DATABASE_URL"].replace("/jobfinder?", "/pgbouncer?"), "SHOW VERSION")
    assert environment["MEMCACHED_SERVERS"].startswith("unix:/")


def test_data_and_secrets_survive_a_restart(start: Callable[..., Instance], state: Path) -> None:
    first = start().answering()
    ask(first.environment()["DATABASE_DIRECT_URL"], "CREATE TABLE kept AS SELECT 7 AS n")
    pepper = (state / "pepper").read_bytes()
    first.process.send_signal(signal.SIGTERM)
    assert first.ended() == 0
    second = start().answering()
    assert ask(second.environment()["DATABASE_URL"], "SELECT n FROM kept") == [(7,)]
    assert (state / "pepper").read_bytes() == pepper
    assert Path(second.environment()["PEPPER_FILE"]).read_bytes() == pepper


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_everything(start: Callable[..., Instance], number: signal.Signals) -> None:
    instance = start().answering()
    family = instance.family()
    instance.process.send_signal(number)
    assert instance.ended() == 0
    assert gone(family)
    assert "Traceback" not in instance.text


def test_sigint_stops_it_although_it_was_started_with_sigint_ignored(start: Callable[..., Instance]) -> None:
    ignoring = ("/usr/bin/env", "--ignore-signal=INT")
    instance = start(prefix=ignoring).answering()
    family = instance.family()
    instance.process.send_signal(signal.SIGINT)
    assert instance.ended() == 0
    assert gone(family)


def test_a_signal_while_it_starts_stops_everything(start: Callable[..., Instance], state: Path) -> None:
    instance = start()
    assert becomes_true(lambda: bool(instance.children("postgres")), START_S)
    family = instance.family()
    instance.process.terminate()
    assert instance.ended() == 0
    assert gone(family)
    assert "Traceback" not in instance.text
    start().answering()


def test_killed_supervisor_leaves_no_process_and_can_start_again(start: Callable[..., Instance]) -> None:
    instance = start().answering()
    family = instance.family()
    sockets = Path(instance.environment()["MEMCACHED_SERVERS"].removeprefix("unix:")).parent
    assert sockets.exists()
    instance.process.kill()
    instance.ended()
    assert gone(family)
    start().answering()
    assert not sockets.exists()


def test_port_in_use_gives_a_clear_message(start: Callable[..., Instance]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        instance = start(port)
        assert instance.ended() == 1
    assert f"jobfinder: port {port} of 127.0.0.1 cannot be used: Address already in use" in instance.text
    assert "Traceback" not in instance.text


def test_bad_setting_gives_a_clear_message(start: Callable[..., Instance]) -> None:
    instance = start(KEEPALIVE="long")
    assert instance.ended() == 1
    assert "KEEPALIVE" in instance.text
    assert "Traceback" not in instance.text


def test_a_second_instance_on_the_same_data_is_refused(start: Callable[..., Instance]) -> None:
    first = start().answering()
    second = start()
    assert second.ended() == 1
    assert f"jobfinder already runs here: process {first.process.pid} at http://127.0.0.1:{first.port}" in second.text
    assert "Traceback" not in second.text
    assert first.environment()["PORT"] == str(first.port)


@pytest.mark.parametrize("name", ["postgres", "pgbouncer", "memcached", "python"])
def test_killed_child_is_reported_and_stops_everything(start: Callable[..., Instance], name: str) -> None:
    instance = start().answering()
    family = instance.family()
    child = instance.children(name)[0]
    child.kill()
    assert instance.ended() == 1
    assert f"(process {child.pid}) was killed by SIGKILL" in instance.text
    assert "Traceback" not in instance.text
    assert gone(family)


def test_missing_pgbouncer_and_memcached_are_reported(start: Callable[..., Instance]) -> None:
    instance = start(without=["pgbouncer", "memcached"]).answering()
    assert "missing: pgbouncer; the service connects straight to PostgreSQL" in instance.text
    assert "missing: memcached; there is no shared cache" in instance.text
    variables = instance.environment()
    assert variables["DATABASE_URL"] == variables["DATABASE_DIRECT_URL"]
    assert variables["PREPARED_STATEMENTS"] == "false"
    assert "MEMCACHED_SERVERS" not in variables
    assert ask(variables["DATABASE_URL"], "SELECT 1") == [(1,)]


def test_database_direct_url_replaces_the_local_postgres(start: Callable[..., Instance], open_folder: Path) -> None:
    with Postgres(open_folder / "given", durable=False, tcp=True) as given:
        given.create_database("elsewhere")
        url = f"{given.tcp_url.rpartition('/')[0]}/elsewhere"
        instance = start(DATABASE_DIRECT_URL=url).answering()
        assert "PostgreSQL is that of DATABASE_DIRECT_URL" in instance.text
        assert not instance.children("postgres")
        variables = instance.environment()
        assert variables["DATABASE_DIRECT_URL"] == url
        assert ask(variables["DATABASE_URL"], "SELECT current_database(), count(*) FROM users") == [("elsewhere", 0)]
        instance.process.terminate()
        assert instance.ended() == 0
        assert ask(given.url("elsewhere"), "SELECT count(*) FROM users") == [(0,)]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://a,b/x", "one host is needed"),
        ("postgresql://[", "IPv6"),
        ("postgresql://u@127.0.0.1:1/x", "refused"),
    ],
    ids=["several-hosts", "malformed", "unreachable"],
)
def test_unusable_database_direct_url_gives_a_clear_message(
    start: Callable[..., Instance], url: str, reason: str
) -> None:
    instance = start(DATABASE_DIRECT_URL=url)
    assert instance.ended() == 1
    assert reason in instance.text
    assert "Traceback" not in instance.text


def test_other_server_variables_of_the_shell_are_ignored(start: Callable[..., Instance]) -> None:
    instance = start(DATABASE_URL="postgresql://elsewhere/db", PEPPER="x" * 40, MEMCACHED_SERVERS="elsewhere:11211")
    variables = instance.answering().environment()
    assert "elsewhere" not in variables["DATABASE_URL"] + variables["MEMCACHED_SERVERS"]
    assert "PEPPER" not in variables
