"""Clients that keep a PgBouncer busy, as workers under full load do."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

import psycopg2
from psycopg2 import extensions


@dataclass
class Load:
    """The number of transactions done, and the message of each that failed."""

    done: int = 0
    failures: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextmanager
def saturated(urls: Sequence[str], clients: int, statement: str) -> Iterator[Load]:
    """`clients` threads for each of `urls`, each running `statement` in transactions without a pause."""
    load = Load()
    threads = [
        threading.Thread(target=_run, args=(load, url, statement), daemon=True) for url in urls for _ in range(clients)
    ]
    for each in threads:
        each.start()
    try:
        yield load
    finally:
        load.stopping.set()
        for each in threads:
            each.join(timeout=15)


@contextmanager
def transactions(url: str, clients: int) -> Iterator[threading.Event]:
    """`clients` threads that each hold a transaction open until the event is set or the block ends.

    Raises psycopg2.Error if a client failed.
    """
    end = threading.Event()
    with ThreadPoolExecutor(clients) as threads:
        held = [threads.submit(_hold, url, end) for _ in range(clients)]
        try:
            yield end
        finally:
            end.set()
        for each in held:
            each.result()


def _hold(url: str, end: threading.Event) -> None:
    with closing(psycopg2.connect(url, connect_timeout=5)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        end.wait()


def _run(load: Load, url: str, statement: str) -> None:
    try:
        connection: extensions.connection = psycopg2.connect(url, connect_timeout=5)
        while not load.stopping.is_set():
            with connection, connection.cursor() as cursor:
                cursor.execute(statement)
            with load.lock:
                load.done += 1
        connection.close()
    except psycopg2.Error as error:
        with load.lock:
            load.failures.append(f"{error!r} after {error.__context__!r}")
