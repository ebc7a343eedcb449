"""Load: clients with exponentially distributed pauses, as threads of one process per PgBouncer."""

import multiprocessing
import random
import threading
import time
from multiprocessing.connection import Connection

import psycopg2

from loadtest.shares.store import hold

HELD_S = 0.02


def start(url: str, clients: int, busy: float, seed: int) -> tuple["multiprocessing.process.BaseProcess", Connection]:
    """Start `clients` that keep `busy` server connections in use on average, if none has to wait. Send the end (Unix
    time) of a measurement to the returned connection; the reply is the list of waits for a pooled connection, in
    seconds.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(url, clients, busy, seed, there), daemon=True)
    process.start()
    return process, here


def _serve(url: str, clients: int, busy: float, seed: int, commands: Connection) -> None:
    waits: list[float] = []
    pause_s = max(0.0, clients * HELD_S / busy - HELD_S)
    for number in range(clients):
        random_numbers = random.Random(seed * 1000 + number)
        threading.Thread(target=_ask_on, args=(url, pause_s, random_numbers, waits), daemon=True).start()
    while (end := commands.recv()) is not None:
        begun = len(waits)
        time.sleep(max(0.0, end - time.time()))
        commands.send(waits[begun:])


def _ask_on(url: str, pause_s: float, random_numbers: random.Random, waits: list[float]) -> None:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    cursor = connection.cursor()
    while True:
        time.sleep(random_numbers.expovariate(1 / pause_s))
        sent = time.time()
        waits.append(max(0.0, hold(cursor, HELD_S) - sent))
