"""Makes case `index` of `seed`: the bytes of a hostile or broken client, their pieces, and how it disconnects."""

import itertools
import random
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tests.fuzz.corpus import NASTY, NUMBERS, SOUND, TOKENS

Ending = Literal["stay", "close", "reset", "half"]
LONGEST = 300_000
KEPT = 16
"""Pages that the server may keep."""


@dataclass(frozen=True)
class Case:
    """`pieces` are sent `gap_s` seconds apart; the case ends after `patience_s` seconds of silence.

    For `deaf_s` seconds the client does not read. `answer` is the expected response body, if known; it comes `times`
    times.
    """

    pieces: tuple[bytes, ...]
    gap_s: float
    patience_s: float
    ending: Ending
    deaf_s: float = 0.0
    answer: bytes | None = None
    times: int = 1


def case(seed: int, index: int) -> Case:
    """The case, which depends only on `seed` and `index`."""
    choice = random.Random(f"{seed}:{index}")
    if index % 50 == 0:
        return canary(choice, index)
    if choice.random() < 0.05:
        return warm(choice)
    data = aimed(choice, choice.choice(SOUND if choice.random() < 0.8 else NASTY))
    for _ in range(choice.choice((0, 0, 0, 0, 1, 1, 1, 2, 3, 5, 10))):
        data = choice.choice(MUTATIONS)(choice, data)
    if choice.random() < 0.1:
        data += aimed(choice, choice.choice(SOUND))
    slow = choice.random() < 0.01
    return Case(
        pieces=tuple(split(choice, data[:LONGEST])),
        gap_s=choice.choice((0, 0, 0, 0.001, 0.004)),
        patience_s=0.8 if slow else choice.choice((0, 0.001, 0.005, 0.02, 0.05)),
        ending=choice.choice(("stay", "stay", "stay", "close", "reset", "half")),
        deaf_s=choice.choice((0.02, 0.2, 0.8)) if choice.random() < 0.04 else 0.0,
    )


def canary(choice: random.Random, index: int) -> Case:
    """A valid request, in pieces, whose response shows that the server still works."""
    size = choice.choice((0, 10, 5000))
    body = bytes(index % 256 for _ in range(size))
    path = choice.choice(("/bare", "")) + f"/canary/{index}"
    head = f"POST {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n"
    if choice.random() < 0.5:
        data = f"{head}Content-Length: {size}\r\n\r\n".encode() + body
    else:
        chunk = f"{size:x}\r\n".encode() + body + b"\r\n" if size else b""
        data = f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunk + b"0\r\n\r\n"
    answer = f"POST {path} {zlib.crc32(body)} {size}".encode()
    return Case(tuple(split(choice, data)), 0, 60, "close", answer=answer)


def kept_body(path: str, token: str) -> bytes:
    """The page at `path` for a token; some are so large that they are sent from where they are kept."""
    return f"kept {path} {token}{'.' * 5000 if path.endswith('5') else ''}".encode("latin-1", "replace")


def warm(choice: random.Random) -> Case:
    """Valid requests for a page that the server may have kept; the first and the last go to the application."""
    path, token = f"/kept/{choice.randrange(KEPT)}", choice.choice(("", "Authorization: a\r\n"))
    one = f"GET {path} HTTP/1.1\r\nHost: t\r\n{token}"
    each = [f"{one}\r\n".encode()] * 3 + [f"{one}Connection: close\r\n\r\n".encode()]
    pieces = each if choice.random() < 0.7 else split(choice, b"".join(each))
    answer = kept_body(path, token[15:16])
    return Case(tuple(pieces), choice.choice((0.001, 0.004)), 60, "close", answer=answer, times=len(each))


def aimed(choice: random.Random, data: bytes) -> bytes:
    """`data` with a random target, of the bare or the framed application, or of a page that the server may keep."""
    target = b"%s%d" % (choice.choice((b"bare/", b"")), choice.getrandbits(30))
    return data.replace(b"TARGET", b"kept/%d" % choice.randrange(KEPT) if choice.random() < 0.2 else target)


def split(choice: random.Random, data: bytes) -> list[bytes]:
    """`data` cut into pieces at random places."""
    kind = choice.random()
    if kind < 0.5 or len(data) < 2:
        return [data]
    if kind < 0.6 and len(data) < 200:
        return [data[at : at + 1] for at in range(len(data))]
    cuts = sorted({0, len(data), *(choice.randrange(len(data)) for _ in range(choice.choice((1, 1, 2, 5))))})
    return [data[start:end] for start, end in itertools.pairwise(cuts)]


def place(choice: random.Random, data: bytes) -> int:
    """A random position, mostly in the head."""
    return choice.randrange(min(len(data), choice.choice((20, 200, 2000, LONGEST))) + 1)


def flip(choice: random.Random, data: bytes) -> bytes:
    at = place(choice, data)
    if at == len(data):
        return data
    return data[:at] + bytes([data[at] ^ 1 << choice.randrange(8)]) + data[at + 1 :]


def overwrite(choice: random.Random, data: bytes) -> bytes:
    at = place(choice, data)
    return data[:at] + bytes([choice.randrange(256)]) + data[at + 1 :]


def insert(choice: random.Random, data: bytes) -> bytes:
    at = place(choice, data)
    return data[:at] + aimed(choice, choice.choice(TOKENS)) * choice.choice((1, 1, 1, 2, 100)) + data[at:]


def insert_line(choice: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\r\n")
    lines.insert(choice.randrange(min(len(lines), 6) + 1), choice.choice(TOKENS).rstrip(b"\r\n"))
    return b"\r\n".join(lines)


def delete(choice: random.Random, data: bytes) -> bytes:
    at = place(choice, data)
    return data[:at] + data[at + choice.choice((1, 1, 2, 10, 100)) :]


def duplicate(choice: random.Random, data: bytes) -> bytes:
    at = place(choice, data)
    end = at + choice.choice((1, 4, 20, 100))
    return data[:end] + data[at:end] * choice.choice((1, 1, 2, 50)) + data[end:]


def shuffle_lines(choice: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\r\n")
    if len(lines) > 300:
        return data
    one, other = choice.randrange(len(lines)), choice.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return b"\r\n".join(lines)


def renumber(choice: random.Random, data: bytes) -> bytes:
    found = list(re.finditer(rb"[0-9a-f]*[0-9][0-9a-f]*", data[:4000]))
    if not found:
        return data
    number = choice.choice(found)
    return data[: number.start()] + choice.choice(NUMBERS) + data[number.end() :]


def change_case(choice: random.Random, data: bytes) -> bytes:
    at = place(choice, data)
    return data[:at] + data[at : at + 30].swapcase() + data[at + 30 :]


def truncate(choice: random.Random, data: bytes) -> bytes:
    return data[: choice.randrange(len(data) + 1)]


def lengthen(choice: random.Random, data: bytes) -> bytes:
    at = place(choice, data)
    return data[:at] + data[at : at + 1] * choice.choice((100, 1000, 8000, 8192, 8193, 20_000, 66_000)) + data[at:]


def splice(choice: random.Random, data: bytes) -> bytes:
    other = aimed(choice, choice.choice(choice.choice((SOUND, NASTY))))
    return data[: place(choice, data)] + other[place(choice, other) :]


Mutation = Callable[[random.Random, bytes], bytes]

MUTATIONS: tuple[Mutation, ...] = (
    flip, flip, overwrite, insert, insert, insert_line, insert_line, delete, duplicate, shuffle_lines, renumber,
    renumber, change_case, truncate, lengthen, splice,
)  # fmt: skip
