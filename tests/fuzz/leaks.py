"""`python -m tests.fuzz.leaks`: compare the worker's memory, descriptors and references before and after requests."""

import argparse
import itertools
import random
import socket
import struct
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fuzz.client import Campaign
from tests.fuzz.process import Fuzzed

MEMORY_MOST_KB = 1024
BLOCKS_MOST = 300  # of the interpreter's allocator, whose caches vary
MUTATED_MEMORY_MOST_KB = 20_000  # responses of up to 8 MB overlap
MUTATED_BLOCKS_MOST = 0.05  # per mutated request, as different requests fill caches
REFERENCES_MOST = 100  # of one object; those to None, True and the like vary

HEAD = b"HTTP/1.1\r\nHost: t\r\n"
HELLO = b"GET /pages/hello " + HEAD + b"User-Agent: test\r\nAccept: */*\r\n\r\n"
RESET = struct.pack("ii", 1, 0)

ABORTED = (
    b"GET /pa",
    b"GET /pages/hello?a=b HTTP/1.1\r\nHost: t\r\nX-Abor",
    b"GET /pages/hello HTTP/1.1\r\nHost: t\r\nX-Aborted: in a val",
    HELLO + b"GET /pages/hello HTTP/1.1\r\n",
    b"POST /pages/upload " + HEAD + b"Content-Length: 90000\r\n\r\n" + b"x" * 3000,
    b"POST /pages/upload " + HEAD + b"Transfer-Encoding: chunked\r\n\r\n4000\r\n" + b"x" * 3000,
    HELLO + b"POST /pages/upload " + HEAD + b"Content-Length: 9\r\n\r\nx",
    b"GET /pages/hello HTTP/1.1\r\nHost: t\r\nX-Long: " + b"x" * 9000,
    b"GET /pages/hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"BREW /pages/hello HTTP/1.1\r\n\r\n",
    b"GET /pages/big " + HEAD + b"\r\n",
    b"GET /pages/stream " + HEAD + b"\r\n",
    b"GET /pages/sleep " + HEAD + b"\r\n",
)


def plain(service: Fuzzed, count: int) -> None:
    """Requests on kept connections, one by one and pipelined."""
    connections = [socket.create_connection(service.address) for _ in range(20)]
    size = len(_exchange(connections[0], HELLO, 1))
    sent = 0
    while sent < count:
        together = 50 if sent % 5 else 1
        for each in connections:
            each.sendall(HELLO * together)
        for each in connections:
            _exactly(each, size * together)
            sent += together
    for each in connections:
        each.close()


def aborted(service: Fuzzed, count: int) -> None:
    """Clients that reset or close during the headers, the body or the response."""
    choice = random.Random(count)
    open_: list[socket.socket] = []
    for number in range(count):
        each = socket.create_connection((service.address[0], service.address[1]))
        each.sendall(ABORTED[number % len(ABORTED)])
        open_.append(each)
        if len(open_) > 30:
            leaving = open_.pop(choice.randrange(30))
            if choice.random() < 0.8:
                leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            leaving.close()
    for each in open_:
        each.close()


def uploads(service: Fuzzed, count: int) -> None:
    """Bodies of up to 1 MB, with a length or chunked, which the application reads or not."""
    choice = random.Random(count)
    with socket.create_connection(service.address) as connection:
        for number in range(count):
            size = choice.choice((1, 100, 70_000, 400_000, 1_000_000))
            path = (b"upload", b"hello")[number % 2]
            if number % 3:
                framed = b"Content-Length: %d\r\n\r\n" % size + bytes(size)
            else:
                framed = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % size + bytes(size) + b"\r\n0\r\n\r\n"
            answer = _exchange(connection, b"POST /pages/" + path + b" " + HEAD + framed, 1)
            assert answer.endswith(b"hello" if number % 2 else b"%d" % size), answer


def mutated(service: Fuzzed, count: int) -> None:
    """Requests of the fuzzer, other ones at each call."""
    tally = Campaign(service.address, count, next(_firsts)).run(lambda tally: tally.cases >= count)
    assert not tally.wrong, tally.wrong


_firsts = itertools.count(0, 10_000_000)


def _exchange(connection: socket.socket, data: bytes, answers: int) -> bytes:
    connection.sendall(data)
    got = b""
    while got.count(b"\r\n\r\n") < answers or got.endswith(b"\r\n\r\n"):
        got += connection.recv(1 << 16)
    return got


def _exactly(connection: socket.socket, size: int) -> None:
    while size > 0:
        part = connection.recv(1 << 18)
        assert part, "closed"
        size -= len(part)
    assert size == 0, size


@dataclass(frozen=True)
class Look:
    """The worker's resources while it is idle."""

    memory_kb: int
    descriptors: int
    blocks: int
    references: dict[str, int]

    @classmethod
    def at(cls, service: Fuzzed) -> "Look":
        service.quiet_state()
        state: dict[str, Any] = service.quiet_state()
        return cls(service.memory_kb(), state["descriptors"], state["blocks"], state["references"])


@dataclass(frozen=True)
class Growth:
    """The difference in the worker's resources after `count` requests."""

    name: str
    count: int
    memory_kb: int
    descriptors: int
    blocks: int
    references: dict[str, int]

    def __str__(self) -> str:
        moved = {name.partition(" ")[2]: by for name, by in self.references.items() if by}
        return (
            f"{self.count:>9,} {self.name:<8} memory {self.memory_kb:+5} kB, descriptors {self.descriptors:+}, "
            f"blocks {self.blocks:+}, references {moved or 'unchanged'}"
        )

    def leaks(self) -> bool:
        varied = self.name == "mutated"
        return (
            self.memory_kb > (MUTATED_MEMORY_MOST_KB if varied else MEMORY_MOST_KB)
            or self.descriptors != 0
            or abs(self.blocks) > BLOCKS_MOST + (MUTATED_BLOCKS_MOST * self.count if varied else 0)
            or max(map(abs, self.references.values())) > REFERENCES_MOST
        )


def measure(service: Fuzzed, scenario: Callable[[Fuzzed, int], None], count: int) -> Growth:
    """Warm up, then measure before and after `count` requests."""
    scenario(service, count if scenario is mutated else max(count // 5, 500))
    before = Look.at(service)
    scenario(service, count)
    after = Look.at(service)
    return Growth(
        scenario.__name__,
        count,
        after.memory_kb - before.memory_kb,
        after.descriptors - before.descriptors,
        after.blocks - before.blocks,
        {name: after.references[name] - before.references[name] for name in before.references},
    )


SCENARIOS = ((plain, 1_000_000), (aborted, 100_000), (uploads, 10_000), (mutated, 100_000))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.leaks", description=__doc__)
    parser.add_argument("--part", type=float, default=1.0, help="share of the requests")
    part = parser.parse_args().part
    with tempfile.TemporaryDirectory() as folder, Fuzzed(Path(folder), {}, graceful_timeout=10) as service:
        grown = []
        for scenario, count in SCENARIOS:
            grown.append(measure(service, scenario, int(count * part)))
            sys.stdout.write(f"{grown[-1]}\n")
            sys.stdout.flush()
    return int(any(each.leaks() for each in grown))


if __name__ == "__main__":
    sys.exit(main())
