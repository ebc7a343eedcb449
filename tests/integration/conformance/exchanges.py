"""Cases about connections: Expect, bodiless responses, pipelining, Upgrade, CONNECT, persistence, half-close."""

from collections.abc import Iterator

from tests.integration.conformance.cases import BAD, ENDED, KEPT, SMUGGLED, Await, Case, Gap, bare, post, request

TWO = "200+200 keep"
GOOD_BAD = ("200+400 close",)
CONTINUE = Await(b"100 Continue\r\n\r\n")
EXPECT = "Expect: 100-continue"
GET = request()


def cases() -> Iterator[Case]:
    yield from _expectations()
    yield from _bodiless()
    yield from _pipelining()
    yield from _bad_second()
    yield from _upgrades()
    yield from _connect()
    yield from _persistence()
    yield from _half_closed()


def _expectations() -> Iterator[Case]:
    read = {"body": "body"}
    for name, expect in {"waits": EXPECT, "waits, other case": "expect: 100-Continue"}.items():
        steps = (post("Content-Length: 4", expect, body=""), CONTINUE, b"body")
        yield Case(f"Expect: {name}", "9110 10.1.1", steps, ("100+200 keep",), read)
    steps = (post("Transfer-Encoding: chunked", EXPECT, body=""), CONTINUE, b"4\r\nbody\r\n0\r\n\r\n")
    yield Case("Expect: waits, chunked", "9110 10.1.1", steps, ("100+200 keep",), read)
    at_once = post("Content-Length: 4", EXPECT)
    yield Case("Expect: body at once", "9110 10.1.1", (at_once,), ("100+200 keep", KEPT), read)
    none = request("GET /one HTTP/1.1", EXPECT)
    yield Case("Expect: no body", "9110 10.1.1", (none,), (KEPT, "100+200 keep"))
    unknown = post("Content-Length: 4", "Expect: 200-ok")
    yield Case("Expect: something else", "9110 10.1.1", (unknown,), ("417 close", KEPT))
    old = bare("POST /one HTTP/1.0", "Content-Length: 4", EXPECT, body="body")
    yield Case("Expect: in HTTP/1.0", "9110 10.1.1", (old,), (ENDED,), read)
    large = post("Content-Length: 200000", EXPECT, body="")
    yield Case("Expect: a body above the limit", "9110 10.1.1", (large,), ("413 close",))
    wrong = bare("POST /one HTTP/1.1", "Content-Length: 4", EXPECT)
    yield Case("Expect: a bad request", "9110 10.1.1", (wrong,), (BAD,))
    pipelined = (GET + post("Content-Length: 4", EXPECT, body=""), CONTINUE, b"body")
    yield Case("Expect: pipelined", "9110 10.1.1", pipelined, ("200+100+200 keep",))
    second = (GET, Await(b"\r\n\r\n"), post("Content-Length: 4", EXPECT, body=""), CONTINUE, b"body")
    yield Case("Expect: second request", "9110 10.1.1", second, ("200+100+200 keep",))


def _bodiless() -> Iterator[Case]:
    for name, target in {"body": "/one", "stream": "/stream", "given length": "/length"}.items():
        data = request(f"HEAD {target} HTTP/1.1")
        yield Case(f"HEAD: {name}", "9110 9.3.2", (data,), (KEPT,), {"REQUEST_METHOD": "HEAD"}, ("HEAD",))
    two = request("HEAD /one HTTP/1.1") + request("HEAD /stream HTTP/1.1")
    yield Case("HEAD: pipelined", "9110 9.3.2", (two,), (TWO,), methods=("HEAD", "HEAD"))
    with_body = request("HEAD /one HTTP/1.1", "Content-Length: 4", body="body")
    yield Case("HEAD: request with a body", "9110 9.3.2", (with_body,), (KEPT,), {"body": "body"}, ("HEAD",))
    for name, data, status in (
        ("without Host", bare("HEAD /one HTTP/1.1"), 400),
        ("too long", request(f"HEAD /{'x' * 9000} HTTP/1.1"), 414),
        ("bad field", request("HEAD /one HTTP/1.1", "X A: b"), 400),
        ("unknown version", request("HEAD /one HTTP/2.0"), 505),
    ):
        allowed = (f"{status} close", BAD)
        yield Case(f"HEAD: refused, {name}", "9110 9.3.2", (data,), allowed, methods=("HEAD",))
    for status in (204, 304):
        for method in ("GET", "HEAD"):
            data = request(f"{method} /{status} HTTP/1.1")
            name, methods = f"{status}: {method}", (method,)
            yield Case(name, "9110 15.3.5, 15.4.5; 9112 6.3", (data,), (f"{status} keep",), methods=methods)
    empty = request("GET /empty HTTP/1.1")
    yield Case("200: empty body", "9112 6.3", (empty,), (KEPT,))
    yield Case("200: stream", "9112 6, 7.1", (request("GET /stream HTTP/1.1"),), (KEPT,))
    yield Case("200: empty parts of a stream", "9112 7.1", (request("GET /gaps HTTP/1.1"),), (KEPT,))
    yield Case("200: stream to HTTP/1.0", "9112 6.1", (bare("GET /stream HTTP/1.0"),), (ENDED,))
    kept = bare("GET /stream HTTP/1.0", "Connection: keep-alive")
    yield Case("200: stream to HTTP/1.0 with keep-alive", "9112 6.1, 9.3", (kept,), (KEPT, ENDED))
    yield Case("200: body longer than its length", "9110 8.6", (request("GET /longer HTTP/1.1"),), (KEPT, "500 close"))


def _pipelining() -> Iterator[Case]:
    rfc = "9112 9.3.2"
    yield Case("pipelining: two", rfc, (GET * 2,), (TWO,))
    yield Case("pipelining: ten", rfc, (GET * 10,), ("+".join(["200"] * 10) + " keep",))
    mixed = post("Content-Length: 4") + GET + post("Transfer-Encoding: chunked", body="4\r\nbody\r\n0\r\n\r\n") + GET
    yield Case("pipelining: with bodies", rfc, (mixed,), ("200+200+200+200 keep",), {"body": "body"})
    yield Case("pipelining: CRLF between", "9112 2.2", (GET + b"\r\n" + GET,), (TWO,))
    alone = (post("Content-Length: 4"), Await(b"/one"), b"\r\n", Gap(), GET)
    yield Case("pipelining: CRLF alone between", "9112 2.2", alone, (TWO,))
    extra = post("Content-Length: 4") + b"\r\n" + GET
    yield Case("pipelining: CRLF after a body", "9112 2.2", (extra,), (TWO,))
    halves = (GET + GET[:20], Await(b"200 OK"), GET[20:])
    yield Case("pipelining: half of the second later", rfc, halves, (TWO,))
    later = (GET + post("Content-Length: 4", body="bo"), Await(b"200 OK"), b"dy")
    yield Case("pipelining: half of a body later", rfc, later, (TWO,))
    pieces = post("Content-Length: 4") + post("Transfer-Encoding: chunked", body="4\r\nbody\r\n0\r\n\r\n") + GET
    steps = tuple(each for at in range(0, len(pieces), 13) for each in (pieces[at : at + 13], Gap()))
    yield Case("pipelining: in pieces", rfc, steps, ("200+200+200 keep",), {"body": "body"})
    first = request("GET /one HTTP/1.1", "Connection: close") + SMUGGLED
    yield Case("pipelining: close, then another", "9112 9.6", (first,), (ENDED,))
    second = GET + request("GET /one HTTP/1.1", "Connection: close") + SMUGGLED
    yield Case("pipelining: close in the second", "9112 9.6", (second,), ("200+200 close",))
    older = GET + bare("GET /one HTTP/1.0") + SMUGGLED
    yield Case("pipelining: HTTP/1.0 second", "9112 9.3", (older,), ("200+200 close",))
    older = bare("GET /one HTTP/1.0", "Connection: keep-alive") + GET
    yield Case("pipelining: HTTP/1.0 with keep-alive first", "9112 9.3", (older,), (TWO, ENDED))
    stream = request("GET /stream HTTP/1.1") + bare("GET /one HTTP/1.0")
    yield Case("pipelining: stream, then HTTP/1.0", "9112 7.1", (stream,), ("200+200 close",))
    many = GET * 100
    yield Case(
        "pipelining: a hundred", rfc, (many,), ("+".join(["200"] * 100) + " keep", "+".join(["200"] * 64) + " close")
    )
    failed = request("GET /fail HTTP/1.1") + GET
    yield Case("pipelining: after a failed request", "9112 9.6", (failed,), ("500 close", "500+200 keep"))
    short = request("GET /short HTTP/1.1") + GET
    yield Case("pipelining: after a body that is too short", "9112 8", (short,), ("200(cut) close",))
    yield Case("pipelining: bodiless in between", rfc, (request("GET /204 HTTP/1.1") + GET,), ("204+200 keep",))


def _bad_second() -> Iterator[Case]:
    rfc = "9112 2.2, 9.3.2"
    for name, second, allowed in (
        ("NUL", b"\0\0\0", GOOD_BAD),
        ("no request", b"nothing\r\n\r\n", ("200+400 close", "200+501 close")),
        ("no Host", bare("GET /one HTTP/1.1"), GOOD_BAD),
        ("two lengths", post("Content-Length: 4", "Content-Length: 5"), GOOD_BAD),
        ("length and coding", post("Content-Length: 4", "Transfer-Encoding: chunked"), (*GOOD_BAD, "200+200 close")),
        ("bad chunk", post("Transfer-Encoding: chunked", body="x\r\n"), GOOD_BAD),
        ("bad field", request("GET /one HTTP/1.1", "X A: b"), GOOD_BAD),
        ("unknown method", request("BREW /one HTTP/1.1"), ("200+501 close",)),
        ("unknown version", request("GET /one HTTP/2.0"), ("200+505 close", "200+400 close")),
        ("long target", request(f"GET /{'x' * 9000} HTTP/1.1"), ("200+414 close",)),
        ("large fields", request("GET /one HTTP/1.1", f"X-A: {'x' * 9000}"), ("200+431 close",)),
        ("large body", post("Content-Length: 200000", body=""), ("200+413 close",)),
    ):
        yield Case(f"bad second: {name}", rfc, (GET + second,), allowed)
        if name in ("NUL", "bad field"):
            yield Case(f"bad third: {name}", rfc, (GET * 2 + second,), tuple(f"200+{each}" for each in allowed))
    after = post("Transfer-Encoding: chunked", body="4\r\nbody\r\n0\r\n\r\n") + bare("GET /one HTTP/1.1")
    yield Case("bad second: after a chunked one", rfc, (after,), GOOD_BAD)


def _upgrades() -> Iterator[Case]:
    for name, headers in {
        "h2c": ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"),
        "websocket": (
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ),
        "TLS": ("Connection: Upgrade", "Upgrade: TLS/1.2"),
        "unknown": ("Connection: Upgrade", "Upgrade: other"),
        "without Connection": ("Upgrade: h2c",),
        "only Connection": ("Connection: Upgrade",),
    }.items():
        yield Case(f"Upgrade: {name}", "9110 7.8", (request("GET /one HTTP/1.1", *headers),), (KEPT,))
    with_body = post("Connection: Upgrade", "Upgrade: h2c", "Content-Length: 4")
    yield Case("Upgrade: with a body", "9110 7.8", (with_body,), (KEPT,), {"body": "body"})
    pipelined = request("GET /one HTTP/1.1", "Connection: Upgrade", "Upgrade: h2c") + SMUGGLED
    yield Case("Upgrade: then another request", "9110 7.8", (pipelined,), (TWO,))
    old = bare("GET /one HTTP/1.0", "Connection: Upgrade", "Upgrade: h2c")
    yield Case("Upgrade: in HTTP/1.0", "9110 7.8", (old,), (ENDED,))


def _connect() -> Iterator[Case]:
    refused = tuple(f"{status} close" for status in (400, 404, 405, 501))
    for name, data in {
        "authority": bare("CONNECT test:443 HTTP/1.1", "Host: test:443"),
        "no port": bare("CONNECT test HTTP/1.1", "Host: test"),
        "path": request("CONNECT /one HTTP/1.1"),
        "absolute-form": request("CONNECT http://test/one HTTP/1.1"),
        "length": request("CONNECT test:443 HTTP/1.1", "Content-Length: 4", body="body"),
        "then a request": bare("CONNECT test:443 HTTP/1.1", "Host: test:443") + SMUGGLED,
        "in HTTP/1.0": bare("CONNECT test:443 HTTP/1.0"),
    }.items():
        yield Case(f"CONNECT: {name}", "9110 9.3.6", (data,), refused)


def _persistence() -> Iterator[Case]:
    for name, headers, allowed in (
        ("close", ("Connection: close",), ENDED),
        ("Close", ("Connection: Close",), ENDED),
        ("close in a list", ("Connection: X-A, close",), ENDED),
        ("close first in a list", ("Connection: close, X-A",), ENDED),
        ("close and keep-alive", ("Connection: keep-alive, close",), ENDED),
        ("close in a second line", ("Connection: X-A", "Connection: close"), ENDED),
        ("close and a tab", ("Connection:\tclose\t",), ENDED),
        ("keep-alive", ("Connection: keep-alive",), KEPT),
        ("something else", ("Connection: closed",), KEPT),
        ("a part of close", ("Connection: clos",), KEPT),
        ("a field", ("Connection: X-A", "X-A: close"), KEPT),
        ("Proxy-Connection", ("Proxy-Connection: close",), KEPT),
        ("TE", ("Connection: TE", "TE: trailers"), KEPT),
    ):
        data = request("GET /one HTTP/1.1", *headers)
        yield Case(f"Connection: {name}", "9112 9.3, 9.6", (data,), (allowed,))
    listed = bare("GET /one HTTP/1.0", "Connection: X-A, keep-alive")
    yield Case("Connection: keep-alive in a list, HTTP/1.0", "9112 9.3", (listed,), (KEPT, ENDED))
    ended = bare("GET /one HTTP/1.0", "Connection: keep-alive, close")
    yield Case("Connection: both in HTTP/1.0", "9112 9.3", (ended,), (ENDED,))
    yield Case("Connection: close with a body", "9112 9.6", (post("Connection: close", "Content-Length: 4"),), (ENDED,))


def _half_closed() -> Iterator[Case]:
    for name, data, allowed in (
        ("a request", GET, (ENDED,)),
        ("a request with a body", post("Content-Length: 4"), (ENDED,)),
        ("a chunked request", post("Transfer-Encoding: chunked", body="0\r\n\r\n"), (ENDED,)),
        ("three requests", GET * 3, ("200+200+200 close",)),
        ("nothing", b"", ("closed",)),
        ("CRLF", b"\r\n", ("closed", BAD)),
        ("half a line", b"GET /one", (BAD, "closed")),
        ("half of the fields", GET[:-2], (BAD, "closed")),
        ("half a body", post("Content-Length: 9"), (BAD, "closed")),
        ("no body", post("Content-Length: 9", body=""), (BAD, "closed")),
        ("a request and a half", GET + GET[:20], ("200+400 close", ENDED)),
        ("a request and half a body", GET + post("Content-Length: 9"), ("200+400 close", ENDED)),
    ):
        yield Case(f"half-closed: after {name}", "9112 8, 9.6", (data,), allowed, end="shutdown")
    slow = request("GET /slow HTTP/1.1")
    yield Case("half-closed: before a slow answer", "9112 9.6", (slow,), (ENDED,), end="shutdown")
