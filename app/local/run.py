"""`python -m app run`: the servers, the service, a task worker and a realtime gateway, started and stopped together."""

import argparse
import os
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from urllib.parse import quote

from app.coherence.log.store import NO_LOG
from app.coherence.replace_log import adopt_log
from app.config import Settings, load_settings
from app.errors import ConfigError, ProductError
from app.infra.postgres.migrate import migrate
from app.local.development import only_instance, publish_environment, secret_files
from app.local.memcached import Memcached
from app.local.pgbouncer import PgBouncer
from app.local.postgres import GivenPostgres, Postgres, free_port
from app.local.process import Command, LocalError, Process, Server
from app.local.programs import MEINHELD, MEMCACHED, PGBOUNCER, has_meinheld, program
from app.local.standby import WAL_SETTINGS, Standby
from app.main import preparation
from app.server.settings import listen_host

CHECKOUT = Path(__file__).resolve().parents[2]
PROGRAMS = {
    "the service": (sys.executable, "-m", "app", "serve"),
    "the task worker": (sys.executable, "-m", "app", "worker"),
    "the realtime gateway": (sys.executable, "-m", "app", "realtime"),
}
READY_PATH = "/api/v1/health/ready"
READY_TIMEOUT_S = 60.0
SUPERVISION_S = 0.2

DEFAULTS = {
    "ENVIRONMENT": "development",
    "HOST": "127.0.0.1",
    "PORT": "8000",
    "GRACEFUL_TIMEOUT": "5",
    "TASKS_PORT": "0",
    "VERIFICATION_NEEDED_FOR": "",  # first steps need no mail
}
# Set by the supervisor itself, never inherited from the user's shell. Only DATABASE_DIRECT_URL is read from there, as
# the PostgreSQL to use, and set again for the service.
OWN = (
    "DATABASE_URL",
    "DATABASE_DIRECT_URL",
    "DATABASE_REPLICA_URLS",
    "PGBOUNCER_CONSOLE_URL",
    "MEMCACHED_SERVERS",
    "PREPARED_STATEMENTS",
    "PEPPER",
    "KEYS_DIR",
)
OPTIONAL = ("pgbouncer", "memcached", "meinheld")
FAILURES = (LocalError, ConfigError, ProductError, OSError)


@dataclass(frozen=True)
class Plan:
    """Options of one run: its folder, commands by name (the service's first), and optional parts to leave out."""

    state: Path
    programs: Mapping[str, Sequence[str]]
    without: frozenset[str]


class Stopped(BaseException):
    """The run was stopped by Ctrl-C, SIGTERM or a closed terminal."""


def main(arguments: Sequence[str] = ()) -> int:
    """Run until stopped (exit code 0) or until something fails (1)."""
    parser = argparse.ArgumentParser(prog="python -m app run", description=__doc__)
    parser.add_argument("--state", type=Path, default=CHECKOUT / ".run", help="folder of data and secrets")
    parser.add_argument(
        "--without", action="append", default=[], choices=OPTIONAL, help="as if it were not installed (repeatable)"
    )
    given = parser.parse_args(arguments)
    return run(given.state, without=given.without)


def run(state: Path, programs: Mapping[str, Sequence[str]] = PROGRAMS, without: Collection[str] = ()) -> int:
    """Start and supervise everything; returns the exit code."""
    plan = Plan(state.absolute(), programs, frozenset(without))
    try:
        _stop_on_signals()
        with only_instance(plan.state) as announce, ExitStack() as started:
            try:
                _run(plan, announce, started)
            except Stopped:
                _say("stopping")
            except FAILURES as error:
                return _fail(error)
    except Stopped:
        return 0
    except FAILURES as error:
        return _fail(error)
    return 0


def _run(plan: Plan, announce: Callable[[str], None], started: ExitStack) -> None:
    began = time.monotonic()
    environment = _environment(plan)
    settings = load_settings(environment)
    _require_free(settings)
    announce(_url(settings))
    _say(f"data and development secrets are in {plan.state}")
    servers = _start_servers(plan, environment, started)
    processes = []
    for name, command in plan.programs.items():
        processes.append(Process(name, Command(command, environment=environment, folder=CHECKOUT)))
        started.callback(processes[-1].end, signal.SIGTERM, settings.graceful_timeout + 5.0)
    started.enter_context(publish_environment(plan.state, environment))
    processes[0].wait_until(lambda: _watch(servers) and _ready(settings), READY_TIMEOUT_S)
    _welcome(settings, time.monotonic() - began)
    while _watch([*servers, *processes]):
        time.sleep(SUPERVISION_S)


def _environment(plan: Plan) -> dict[str, str]:
    """The environment of the service, as far as it is known before anything runs."""
    own = {name for each in OWN for name in (each, f"{each}_FILE")}
    environment = DEFAULTS | {name: value for name, value in os.environ.items() if name not in own}
    if environment.get("WORKER") != "gthread" and ("meinheld" in plan.without or not has_meinheld()):
        _say(MEINHELD)
        environment["WORKER"] = "gthread"
    mail = {
        "MAIL_URL": f"file:{quote(str(plan.state / 'mail'))}",
        "MAIL_FROM": "jobfinder <jobfinder@localhost>",
        "ACCOUNT_PAGES_URL": f"http://127.0.0.1:{environment['PORT']}/account",
    }
    events = {"REALTIME_PORT": str(_realtime_port(environment["PORT"]))}
    return mail | events | environment | secret_files(plan.state) | {"DATABASE_URL": "postgresql:"}


def _realtime_port(port: str) -> int:
    """The third port after the service's, as 8003 is after 8000, or any one if that is taken or there is none."""
    wanted = int(port) + 3 if port.isdecimal() else 0
    try:
        with socket.create_server(("127.0.0.1", wanted)) as free:
            return int(free.getsockname()[1])
    except (OSError, OverflowError):
        return free_port()


def _start_servers(plan: Plan, environment: dict[str, str], started: ExitStack) -> list[Process]:
    """Start what the service needs, migrate, and write the addresses into `environment`."""
    servers: list[Server] = []
    postgres: Postgres | GivenPostgres
    if given := os.environ.get("DATABASE_DIRECT_URL"):
        postgres = GivenPostgres(given)
        _say("PostgreSQL is that of DATABASE_DIRECT_URL")
    else:
        postgres = started.enter_context(Postgres(plan.state / "postgres", settings=WAL_SETTINGS))
        servers.append(postgres)
    environment["DATABASE_URL"] = environment["DATABASE_DIRECT_URL"] = postgres.direct_url
    migrate(postgres.direct_url, preparation())
    if "pgbouncer" not in plan.without and program("pgbouncer"):
        prepare = [preparation().connect_query]
        pooler = started.enter_context(PgBouncer(postgres, prepare, log=plan.state / "pgbouncer.log"))
        environment |= {"DATABASE_URL": pooler.url, "PGBOUNCER_CONSOLE_URL": pooler.console_url}
        servers.append(pooler)
    else:
        _say(PGBOUNCER)
        environment["PREPARED_STATEMENTS"] = "false"
    if "memcached" not in plan.without and program("memcached"):
        cache = started.enter_context(Memcached(log=plan.state / "memcached.log"))
        environment["MEMCACHED_SERVERS"] = cache.address
        servers.append(cache)
    else:
        _say(MEMCACHED)
    if isinstance(postgres, Postgres):
        servers += _start_replicas(plan, postgres, environment, started)
    adopt_log(postgres.direct_url, environment.get("MEMCACHED_SERVERS", NO_LOG), alone=isinstance(postgres, Postgres))
    return [each.process for each in servers if each.process]


def _start_replicas(
    plan: Plan, primary: Postgres, environment: dict[str, str], started: ExitStack
) -> list[Server]:  # fmt: skip
    """As many replicas as `REPLICAS` says, each behind a PgBouncer if there is one."""
    servers: list[Server] = []
    urls: list[str] = []
    for number in range(1, int(os.environ.get("REPLICAS") or 0) + 1):
        replica = started.enter_context(Standby(plan.state / f"replica-{number}", primary))
        servers.append(replica)
        urls.append(replica.direct_url)
        if "PGBOUNCER_CONSOLE_URL" in environment:
            pooler = started.enter_context(PgBouncer(replica, log=plan.state / f"pgbouncer-replica-{number}.log"))
            servers.append(pooler)
            urls[-1] = pooler.url
    environment["DATABASE_REPLICA_URLS"] = ",".join(urls)
    return servers


def _watch(processes: Sequence[Process]) -> bool:
    """True while every process runs; raises LocalError that says which one ended, and how."""
    for each in processes:
        if not each.alive:
            raise LocalError(each.obituary())
    return True


def _require_free(settings: Settings) -> None:
    try:
        host = listen_host(settings)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, settings.port), family=family).close()
    except OSError as error:
        raise LocalError(
            f"port {settings.port} of {settings.host} cannot be used: {error.strerror}; another one: PORT=8001 make run"
        ) from None


def _url(settings: Settings) -> str:
    host = listen_host(settings)
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{settings.port}"


def _ready(settings: Settings) -> bool:
    try:
        with urllib.request.urlopen(_url(settings) + READY_PATH, timeout=5) as answer:  # noqa: S310 - our own address
            return bool(answer.status == 200)
    except (OSError, urllib.error.HTTPError):
        return False


def _welcome(settings: Settings, seconds: float) -> None:
    url = _url(settings)
    print(
        f"""
jobfinder answers after {seconds:.1f} s; Ctrl-C stops it.

  service        {url}
  documentation  {url}/docs
  events         {url.rpartition(":")[0]}:{settings.realtime_port}/api/v1/realtime/events
  mail           {settings.mail_url.removeprefix("file:")}
  first request  curl -i {url}/api/v1/auth/register -H 'Content-Type: application/json' \\
                   -d '{{"email":"ada@example.com","password":"a long walk in the rain","name":"Ada"}}'
  3,000 jobs     .venv/bin/python -m app seed --jobs 3000
  a tour         make demo
""",
        flush=True,
    )


def _fail(error: Exception) -> int:
    print(f"jobfinder: {error}", file=sys.stderr, flush=True)
    return 1


def _say(message: object) -> None:
    print(f"[run] {message}", flush=True)


def _stop_on_signals() -> None:
    """Make the first signal raise Stopped, even if a shell started us with SIGINT ignored; later ones do nothing."""

    def stop(number: int, frame: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, signal.SIG_IGN)
        raise Stopped

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, stop)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, stop)
