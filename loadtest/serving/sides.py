"""Starts the compared servers, each with one worker that serves the same application."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.local.memcached import Memcached
from app.local.pgbouncer import PgBouncer
from app.local.postgres import Postgres, free_port
from app.local.process import Command, Process
from loadtest.bed import CHECKOUT, START_S, Service
from loadtest.published import published_meinheld
from loadtest.serving.handlers import KEY, VALUE
from loadtest.serving.store import create_people

KEPT_ALIVE_S = 75
THREADS = 16
_WORKERS = {
    "published": ["-k", "meinheld.gmeinheld.MeinheldWorker"],
    "gthread": ["-k", "gthread", "--threads", str(THREADS)],
    "gevent": ["-k", "gevent"],
}


@dataclass(frozen=True)
class Backends:
    """Addresses of the handlers' database and memcached, and a folder for logs."""

    database: str
    memcached: str
    folder: Path


@contextmanager
def backends(folder: Path) -> Iterator[Backends]:
    """PostgreSQL behind PgBouncer with the table filled, and memcached with the value set."""
    with ExitStack() as stack:
        postgres = stack.enter_context(Postgres(folder / "postgres", durable=False))
        create_people(postgres.direct_url)
        pooler = stack.enter_context(PgBouncer(postgres))
        cache = stack.enter_context(Memcached(port=0))  # published meinheld does not support Unix sockets
        cache.ask(f"set {KEY} 0 0 {len(VALUE)}\r\n".encode() + VALUE)
        yield Backends(pooler.url, cache.address, folder)


@contextmanager
def side(name: str, given: Backends) -> Iterator[Service]:
    """The side's server, ready for requests."""
    port = free_port()
    command = Command(
        [sys.executable, *_arguments(name, port, given)],
        log=given.folder / f"{name}.log",
        environment=_environment(name),
        folder=CHECKOUT,
    )
    process = Process(name, command)
    service = Service(process, port)
    try:
        process.wait_until(lambda: service.ready("/hello"), START_S)
        yield service
    finally:
        process.end()


def _arguments(name: str, port: int, given: Backends) -> list[str]:
    if name == "ours":
        return ["-m", "loadtest.serving.ours", str(port), given.database, given.memcached]
    application = f"loadtest.serving.handlers:application({name!r}, {given.database!r}, {given.memcached!r})"
    options = ["-b", f"127.0.0.1:{port}", "-w", "1", "--keep-alive", str(KEPT_ALIVE_S), "--no-control-socket"]
    return ["-m", "gunicorn", *_WORKERS[name], *options, "--log-level", "warning", application]


def _environment(name: str) -> Mapping[str, str]:
    folders = [str(CHECKOUT)]
    if name == "published":
        folders.insert(0, str(published_meinheld()))
    return os.environ | {"PYTHONPATH": os.pathsep.join(folders)}
