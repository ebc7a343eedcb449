"""A small WSGI application whose pages exercise the worker; started by `serving.py`."""

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from ipaddress import ip_network
from typing import Any
from urllib.parse import parse_qsl

from greenlet import greenlet

from app.config import DatabaseTuning, Settings
from app.errors import Unavailable
from app.infra import cooperative
from app.infra.postgres.database import Database
from app.server.framing import Environ, StartResponse
from app.server.gunicorn_app import Service

executor = cooperative.Executor(threads=2, queue=2)
gate = cooperative.Event()
started: list[str] = []
pools: dict[str, Database] = {}


class Closing:
    """A streamed body that counts how often bodies were closed."""

    closed = 0

    def __init__(self, parts: list[bytes]) -> None:
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._parts)

    def close(self) -> None:
        Closing.closed += 1


def show_environ(environ: Environ, arguments: dict[str, str]) -> Any:
    return {name: value for name, value in environ.items() if isinstance(value, (str, bool))}


def echo(environ: Environ, arguments: dict[str, str]) -> Any:
    started.append("echo")
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return {"length": len(body), "start": body[:100].decode("latin-1"), "declared": environ.get("CONTENT_LENGTH")}


def pid(environ: Environ, arguments: dict[str, str]) -> Any:
    return os.getpid()


def sleep(environ: Environ, arguments: dict[str, str]) -> Any:
    started.append("sleep")
    cooperative.sleep(float(arguments["s"]))
    return os.getpid()


def hang(environ: Environ, arguments: dict[str, str]) -> Any:
    try:
        time.sleep(600)
    except BaseException:
        time.sleep(600)


def count_started(environ: Environ, arguments: dict[str, str]) -> Any:
    return started


def wait_in_vain(environ: Environ, arguments: dict[str, str]) -> Any:
    """Whether a wait of `s` seconds for a silent peer times out, and the processor time used meanwhile."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        used = time.process_time()
        try:
            cooperative.wait_readable(ours.fileno(), float(arguments["s"]))
        except TimeoutError:
            return {"timeout": True, "cpu": time.process_time() - used}
    return {"timeout": False}


def ping_pong(environ: Environ, arguments: dict[str, str]) -> Any:
    """Write and read waits in turn on one descriptor, with an answer from a thread."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        used = time.process_time()
        for _ in range(3):
            cooperative.wait_writable(ours.fileno(), 5)
            ours.send(b"ping")
            threading.Timer(0.2, lambda: theirs.send(theirs.recv(4))).start()
            cooperative.wait_readable(ours.fileno(), 5)
            assert ours.recv(4) == b"ping"
        return {"cpu": time.process_time() - used}


def second_waiter(environ: Environ, arguments: dict[str, str]) -> Any:
    """The name of the error that a waiter on the descriptor gets, or "ready"."""
    fd = int(arguments["fd"])
    try:
        cooperative.wait_readable(fd, 0.3)
    except (TimeoutError, RuntimeError, OSError, ValueError) as error:
        return type(error).__name__
    return "ready"


def silent_fd(environ: Environ, arguments: dict[str, str]) -> Any:
    """A descriptor that never becomes readable."""
    pair = socket.socketpair()
    started.append("fd")
    keep.extend(pair)
    return pair[0].fileno()


keep: list[socket.socket] = []


def wait_at_gate(environ: Environ, arguments: dict[str, str]) -> Any:
    started.append("gate")
    return gate.wait(float(arguments["s"]))


def open_gate(environ: Environ, arguments: dict[str, str]) -> Any:
    if arguments.get("thread"):
        threading.Thread(target=gate.set).start()
    else:
        gate.set()
    return None


def work(environ: Environ, arguments: dict[str, str]) -> Any:
    """The relative niceness of an executor call that takes `s` seconds, or the error's name."""
    try:
        return executor.run(_work, float(arguments["s"]), timeout_s=float(arguments.get("timeout", 20)))
    except (TimeoutError, cooperative.QueueFull) as error:
        return type(error).__name__


def _work(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) - os.getpriority(os.PRIO_PROCESS, os.getpid())


def in_thread(environ: Environ, arguments: dict[str, str]) -> Any:
    """The outcomes of waits in a plain thread of the worker."""
    outcome: list[str] = []

    def wait() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            try:
                cooperative.wait_readable(ours.fileno(), 0.1)
            except TimeoutError:
                outcome.append("timeout")
            theirs.send(b"x")
            cooperative.wait_readable(ours.fileno(), 5)
            outcome.append("readable")
        cooperative.sleep(0.01)
        outcome.append(str(cooperative.Event().wait(0.01)))
        done.set()

    done = cooperative.Event()
    threading.Thread(target=wait).start()
    return [done.wait(10), *outcome]


def query(environ: Environ, arguments: dict[str, str]) -> Any:
    """Connect with psycopg2 to a server that accepts and sends nothing; returns the error's name."""
    import psycopg2

    try:
        with cooperative.query_timeout(float(arguments["s"])):
            psycopg2.connect(
                host="127.0.0.1", port=int(arguments["port"]), user="nobody", dbname="x", sslmode="disable"
            )
    except (TimeoutError, psycopg2.Error) as error:
        return type(error).__name__


def statement(environ: Environ, arguments: dict[str, str]) -> Any:
    """The result of a statement on a new connection, or the error's name; and whether the connection is then closed."""
    import psycopg2

    connection = psycopg2.connect(arguments["dsn"])
    try:
        with cooperative.query_timeout(float(arguments["s"])), connection.cursor() as cursor:
            cursor.execute(arguments["sql"])
            return [str(cursor.fetchone()), bool(connection.closed)]
    except (TimeoutError, psycopg2.Error) as error:
        return [type(error).__name__, bool(connection.closed)]
    finally:
        connection.close()


def pooled(environ: Environ, arguments: dict[str, str]) -> Any:
    """The result of a statement on the one connection of the worker's pool, or the error."""
    dsn = arguments["dsn"]
    if dsn not in pools:
        pools[dsn] = Database(dsn, DatabaseTuning(pool_min=1, pool_max=1))
    try:
        return str(pools[dsn].one(arguments["sql"]))
    except Unavailable as error:
        return error.code


def cache(environ: Environ, arguments: dict[str, str]) -> Any:
    """The value that pymemcache reads, or the error's name."""
    from pymemcache.client.base import Client

    limit = float(arguments["s"])
    client = Client(
        (arguments.get("host", "127.0.0.1"), int(arguments["port"])),
        connect_timeout=limit,
        timeout=limit,
        no_delay=True,
        socket_module=cooperative.socket_module,
    )
    try:
        value = client.get("key")
    except OSError as error:
        return type(error).__name__
    finally:
        client.close()
    return value.decode() if value else None


def environ_address(environ: Environ, arguments: dict[str, str]) -> Any:
    return [environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]]


def closed_streams(environ: Environ, arguments: dict[str, str]) -> Any:
    return Closing.closed


seen: ContextVar[str] = ContextVar("seen", default="nothing")


def remember(environ: Environ, arguments: dict[str, str]) -> Any:
    """The value of a context variable before and after this request sets it."""
    before = seen.get()
    seen.set(arguments["value"])
    cooperative.sleep(0.001)
    return [before, seen.get()]


def nested(environ: Environ, arguments: dict[str, str]) -> Any:
    """The error text when a greenlet inside the request's greenlet waits."""

    def wait() -> str:
        try:
            cooperative.sleep(0.01)
        except RuntimeError as error:
            return str(error)
        return "slept"

    return greenlet(wait).switch()


def fail(environ: Environ, arguments: dict[str, str]) -> Any:
    raise ValueError("on purpose")


def leave(environ: Environ, arguments: dict[str, str]) -> Any:
    sys.exit(3)


LIMITS = {("POST", "/small"): 10, ("PUT", "/small"): 20}  # bytes of a body

PAGES: dict[str, Callable[[Environ, dict[str, str]], Any]] = {
    "/environ": show_environ, "/echo": echo, "/pid": pid, "/sleep": sleep, "/hang": hang, "/started": count_started,
    "/wait": wait_in_vain, "/ping-pong": ping_pong, "/gate": wait_at_gate, "/open": open_gate, "/work": work,
    "/thread": in_thread, "/query": query, "/cache": cache, "/address": environ_address, "/closed": closed_streams,
    "/fail": fail, "/leave": leave, "/second": second_waiter, "/silent": silent_fd, "/remember": remember,
    "/statement": statement, "/pooled": pooled, "/nested": nested,
}  # fmt: skip


def raw(arguments: dict[str, str], start_response: StartResponse) -> Iterable[bytes]:
    """A response that the arguments may make invalid."""
    body = arguments.get("body", "").encode()
    headers = [("content-length", arguments["length"])] if "length" in arguments else []
    if "header" in arguments:
        name, _, value = arguments["header"].partition("=")
        headers.append((name, value))
    headers += [(f"x-{number}", "value") for number in range(int(arguments.get("headers", 0)))]
    start_response(arguments.get("status", "200 OK"), headers)
    if arguments.get("stream"):
        return Closing([b"", body, b"", body, b""])
    if arguments.get("big"):
        return [b"x" * int(arguments["big"])]
    return [body, b""]


def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    arguments = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    path = environ["PATH_INFO"]
    if path == "/raw":
        return raw(arguments, start_response)
    page = PAGES.get(path)
    status = "200 OK" if page else "404 Not Found"
    answer = page(environ, arguments) if page else path
    start_response(status, [("content-type", "application/json")])
    return [json.dumps(answer).encode()]


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    values = json.loads(sys.argv[1])
    values["trusted_proxies"] = tuple(ip_network(each) for each in values.get("trusted_proxies", ()))
    limit = values.pop("body_limit", 1_048_576)
    Service(Settings(**values), lambda slot: application, lambda method, path: LIMITS.get((method, path), limit)).run()
