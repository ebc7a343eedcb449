"""Chunked bodies: sizes, extensions, ends and trailers."""

from collections.abc import Iterator

from tests.integration.conformance.cases import BAD, KEPT, SMUGGLED, Case, chunked

READ = {"body": "body"}
LARGE = (BAD, "413 close", "431 close")

SOUND_SIZES = {
    "extension": "4;name\r\nbody\r\n0\r\n\r\n",
    "extension with a value": "4;name=value\r\nbody\r\n0\r\n\r\n",
    "blanks around an extension": "4 ; name = value\r\nbody\r\n0\r\n\r\n",
    "tab before an extension": "4\t;name\r\nbody\r\n0\r\n\r\n",
    "quoted extension": '4;name="a;b\\"c"\r\nbody\r\n0\r\n\r\n',
    "two extensions": "4;a=1;b\r\nbody\r\n0\r\n\r\n",
    "extension of the last chunk": "4\r\nbody\r\n0;name=value\r\n\r\n",
    "leading zeros": "00000000000000000000004\r\nbody\r\n0\r\n\r\n",
    "several zeros at the end": "4\r\nbody\r\n000\r\n\r\n",
    "several chunks": "1\r\nb\r\n2\r\nod\r\n1\r\ny\r\n0\r\n\r\n",
}

WRONG_SIZES: dict[str, str | bytes] = {
    "no size": "\r\nbody\r\n0\r\n\r\n",
    "blank before the size": " 4\r\nbody\r\n0\r\n\r\n",
    "size with a prefix": "0x4\r\nbody\r\n0\r\n\r\n",
    "size with a sign": "+4\r\nbody\r\n0\r\n\r\n",
    "negative size": "-4\r\nbody\r\n0\r\n\r\n",
    "size with a letter": "4g\r\nbody\r\n0\r\n\r\n",
    "size with an underscore": "0_4\r\nbody\r\n0\r\n\r\n",
    "two sizes": "4 6\r\nbody\r\n0\r\n\r\n",
    "size and a byte above 127": b"0\xb0\r\n\r\n",
    "size of bytes above 127": b"\x80\r\n\r\n",
    "size before NUL": "4\0\r\nbody\r\n0\r\n\r\n",
    "size before LF": "4\nbody\r\n0\r\n\r\n",
    "size before CR": "4\rXbody\r\n0\r\n\r\n",
    "size before CR and CR": "4\r\r\nbody\r\n0\r\n\r\n",
    "extension before LF": "4;name\nbody\r\n0\r\n\r\n",
    "extension with a bare CR": "4;na\rme\r\nbody\r\n0\r\n\r\n",
    "extension with NUL": "4;na\0me\r\nbody\r\n0\r\n\r\n",
    "LF after the data": "4\r\nbody\n0\r\n\r\n",
    "CR after the data": "4\r\nbody\r0\r\n\r\n",
    "nothing after the data": "4\r\nbody0\r\n\r\n",
    "chunk longer than its size": "3\r\nbody\r\n0\r\n\r\n",
    "chunk shorter than its size": "6\r\nbody\r\n0\r\n\r\n",
    "LF after the last size": "4\r\nbody\r\n0\n\r\n",
    "LF after the last chunk": "4\r\nbody\r\n0\r\n\n",
}

HUGE_SIZES = {
    "2^32 + 4": "100000004\r\nbody\r\n0\r\n\r\n",
    "2^64 + 4": "10000000000000004\r\nbody\r\n0\r\n\r\n",
    "2^64 - 1": "FFFFFFFFFFFFFFFF\r\nbody\r\n0\r\n\r\n",
    "a hundred digits": "F" * 100 + "\r\nbody\r\n0\r\n\r\n",
}

TRAILERS = {
    "trailer": "X-Sum: 1\r\n",
    "empty trailer": "X-Sum:\r\n",
    "several trailers": "X-Sum: 1\r\nX-Other: 2\r\nX-More: 3\r\n",
}

FORBIDDEN_TRAILERS = {
    "trailer Content-Length": "Content-Length: 40\r\n",
    "trailer Transfer-Encoding": "Transfer-Encoding: chunked\r\n",
    "trailer Host": "Host: evil\r\n",
    "trailer Authorization": "Authorization: Bearer x\r\n",
    "trailer Connection": "Connection: close\r\n",
}

WRONG_TRAILERS = {
    "trailer without colon": "X-Sum\r\n",
    "trailer with a blank in its name": "X Sum: 1\r\n",
    "trailer before LF": "X-Sum: 1\n",
    "trailer with a bare CR": "X-Sum: 1\rX: 2\r\n",
    "trailer with NUL": "X-Sum: \0\r\n",
    "folded trailer": "X-Sum: 1\r\n 2\r\n",
}

UNFINISHED = {
    "no end of the last chunk": "4\r\nbody\r\n0\r\n",
    "no last chunk": "4\r\nbody\r\n",
    "no end of a chunk": "4\r\nbody",
    "half a chunk": "4\r\nbo",
    "half a size": "4",
    "half a trailer": "4\r\nbody\r\n0\r\nX-Sum: 1",
}


def cases() -> Iterator[Case]:
    for name, body in SOUND_SIZES.items():
        yield Case(f"chunks: {name}", "9112 7.1", (chunked(body=body),), (KEPT,), READ)
    yield Case("chunks: none", "9112 7.1", (chunked(body="0\r\n\r\n"),), (KEPT,), {"body": ""})
    for name, wrong in WRONG_SIZES.items():
        yield Case(f"chunks: {name}", "9112 7.1, 2.2", (chunked(body=wrong) + SMUGGLED,), (BAD,))
    trailing = chunked(body="4 \r\nbody\r\n0\r\n\r\n")
    yield Case("chunks: blank after the size", "9112 7.1", (trailing,), (BAD, KEPT), READ)
    for name, body in HUGE_SIZES.items():
        yield Case(f"chunks: {name}", "9112 7.1", (chunked(body=body) + SMUGGLED,), (*LARGE, "closed"), end="shutdown")
    yield from _trailers()
    for name, body in UNFINISHED.items():
        data = chunked(body=body)
        yield Case(f"chunks: {name}", "9112 8", (data,), (BAD, "closed"), end="shutdown")
    yield from _limits()


def _trailers() -> Iterator[Case]:
    unseen = {"body": "body", "HTTP_X_SUM": None}
    for name, lines in TRAILERS.items():
        data = chunked(body=f"4\r\nbody\r\n0\r\n{lines}\r\n")
        yield Case(f"chunks: {name}", "9112 7.1.2", (data,), (KEPT,), unseen)
        yield Case(f"chunks: {name}, next request", "9112 7.1.2", (data + SMUGGLED,), ("200+200 keep",), unseen)
    for name, lines in FORBIDDEN_TRAILERS.items():
        data = chunked(body=f"4\r\nbody\r\n0\r\n{lines}\r\n") + SMUGGLED
        facts = {"HTTP_HOST": "test", "HTTP_AUTHORIZATION": None, "body": "body"}
        yield Case(f"chunks: {name}", "9110 6.5.1", (data,), ("200+200 keep", BAD), facts)
    for name, lines in WRONG_TRAILERS.items():
        data = chunked(body=f"4\r\nbody\r\n0\r\n{lines}\r\n") + SMUGGLED
        yield Case(f"chunks: {name}", "9112 7.1.2, 5", (data,), (BAD,))


def _limits() -> Iterator[Case]:
    long = chunked(body=f"4;{'x' * 100_000}\r\nbody\r\n0\r\n\r\n")
    yield Case("chunks: extension of 100 kB", "9112 7.1.1", (long,), LARGE)
    many = chunked(body="".join(f"1;{'x' * 1000}\r\nb\r\n" for _ in range(200)) + "0\r\n\r\n")
    yield Case("chunks: 200 kB of extensions of 200 chunks", "9112 7.1.1", (many,), LARGE)
    few = chunked(body="".join(f"1;name={'x' * 10}\r\n{letter}\r\n" for letter in "body") + "0\r\n\r\n")
    yield Case("chunks: extensions of every chunk", "9112 7.1.1", (few,), (KEPT,), READ)
    trailer = chunked(body=f"4\r\nbody\r\n0\r\n{'X-Sum: 1234567890' * 1}: {'x' * 100_000}\r\n\r\n")
    yield Case("chunks: trailer of 100 kB", "9110 5.4", (trailer,), LARGE)
    yield Case("chunks: body above the limit", "9110 15.5.14", (chunked(body=f"30d40\r\n{'x' * 200_000}"),), LARGE[1:2])
