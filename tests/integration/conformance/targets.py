"""Request lines: methods, request targets and versions."""

from collections.abc import Iterator

from tests.integration.conformance.cases import BAD, ENDED, KEPT, SMUGGLED, Case, Facts, bare, request, text

TLS_HELLO = b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + b"\x01" * 32 + b"\r\n\r\n"
SOME = tuple(f"{status} close" for status in (400, 404, 421, 501))

PATHS = {
    "escape": ("/%6fne", "/one"),
    "escape of a percent sign": ("/%2561", "/%61"),
    "escaped dots": ("/a/%2e%2e/b", "/a/../b"),
    "dots": ("/a/../b", "/a/../b"),
    "escaped slash": ("/a%2Fb", "/a/b"),
    "escaped question mark": ("/a%3Fb", "/a?b"),
    "escaped CR and LF": ("/a%0d%0ab", "/a\r\nb"),
    "escaped UTF-8": ("/%C3%A9", "/\xc3\xa9"),
    "escape in lower case": ("/%c3%a9", "/\xc3\xa9"),
    "plus sign": ("/a+b", "/a+b"),
    "two slashes": ("//one", "//one"),
    "two slashes and a name": ("//evil/one", "//evil/one"),
    "colon": ("/a:b@c", "/a:b@c"),
    "sub-delimiters": ("/!$&'()*+,;=", "/!$&'()*+,;="),
    "URL in a path": ("/http://evil/", "/http://evil/"),
}

QUERIES = {
    "query": ("/one?a=%20b&c=%26", "a=%20b&c=%26"),
    "empty query": ("/one?", ""),
    "two question marks": ("/one?a?b", "a?b"),
    "slashes in a query": ("/one?/a/../b", "/a/../b"),
    "URL in a query": ("/one?u=http://evil/", "u=http://evil/"),
}

ABSOLUTE: dict[str, tuple[str, str, str | tuple[str, ...], str]] = {
    "absolute-form": ("http://test/one?a=b", "test", "/one", "a=b"),
    "absolute-form and another Host": ("http://target.example/one", "target.example", "/one", ""),
    "absolute-form with a port": ("http://target.example:8080/one", "target.example:8080", "/one", ""),
    "absolute-form of an IPv6 address": ("http://[::1]:80/one", "[::1]:80", "/one", ""),
    "absolute-form, upper-case scheme": ("HTTP://target.example/one", "target.example", "/one", ""),
    "absolute-form without path": ("http://target.example", "target.example", ("/", ""), ""),
    "absolute-form with only a query": ("http://target.example?a=b", "target.example", ("/", ""), "a=b"),
    "absolute-form with https": ("https://target.example/one", "target.example", "/one", ""),
    "absolute-form with an escape": ("http://target.example/%2561", "target.example", "/%61", ""),
}

WRONG_TARGETS: dict[str, str | bytes] = {
    "no slash": "one",
    "authority-form": "test:80",
    "host alone": "test",
    "query alone": "?a=b",
    "fragment alone": "#a",
    "fragment": "/one#two",
    "fragment after a query": "/one?a=b#two",
    "backslash": "\\one",
    "asterisk and more": "*one",
    "absolute-form without host": "http:///one",
    "absolute-form with only a port": "http://:80/one",
    "absolute-form with a user": "http://user@evil/one",
    "absolute-form with a password": "http://test:80@evil/one",
    "absolute-form with one slash": "http:/test/one",
    "absolute-form without slashes": "http:test",
    "absolute-form with two ports": "http://test:80:80/one",
    "absolute-form with a fragment": "http://test/one#two",
    "byte above 127": b"/\xc3\xa9",
    "byte above 127 in a query": b"/one?\xc3\xa9",
    "NUL": b"/o\0ne",
    "control": b"/o\x01ne",
    "DEL": b"/o\x7fne",
    "tab": b"/o\tne",
    "CR": b"/o\rne",
    "bad escape": "/%zz",
    "half an escape": "/a%4",
    "percent sign at the end": "/a%",
}
"""RFC 9112, 3.2: SHOULD be refused with 400."""

UNSAFE = {
    "quote": '"',
    "angle bracket": "<",
    "backslash": "\\",
    "caret": "^",
    "backtick": "`",
    "bar": "|",
    "brace": "{",
}

WRONG_METHODS = {
    "parenthesis": "(GET",
    "NUL": "GE\0T",
    "byte above 127": "GET\xc4",
    "control": "GE\x01T",
    "colon": "GET:",
    "slash": "GET/",
    "quote": '"GET"',
}

UNKNOWN_METHODS = ("BREW", "get", "Get", "GEX", "GE", "GETS", "G", "HEADER", "POSTS", "SEARCHX", "X-METHOD", "A" * 300)

WRONG_VERSIONS = {
    "lower case": "http/1.1",
    "no minor": "HTTP/1",
    "no minor after the dot": "HTTP/1.",
    "no major": "HTTP/.1",
    "two digits": "HTTP/1.10",
    "leading zero": "HTTP/01.1",
    "trailing zero": "HTTP/1.01",
    "letter": "HTTP/1.1x",
    "text after": "HTTP/1.1 x",
    "comma": "HTTP/1,1",
    "sign": "HTTP/+1.1",
    "other protocol": "ICAP/1.0",
    "longer protocol": "HTTPS/1.1",
    "no slash": "HTTP1.1",
    "blank after the slash": "HTTP/ 1.1",
    "NUL": "HTTP/1.\0",
    "nothing": "",
}

OTHER_VERSIONS = ("HTTP/2.0", "HTTP/3.0", "HTTP/0.9", "HTTP/0.0", "HTTP/9.9")


def cases() -> Iterator[Case]:
    for name, (target, path) in PATHS.items():
        yield Case(
            f"target: {name}", "9110 4; 3986 2", (request(f"GET {target} HTTP/1.1"),), (KEPT,), {"PATH_INFO": path}
        )
    for name, (target, query) in QUERIES.items():
        data = request(f"GET {target} HTTP/1.1")
        yield Case(f"target: {name}", "9112 3.2.1", (data,), (KEPT,), {"PATH_INFO": "/one", "QUERY_STRING": query})
    yield Case(
        "target: escaped NUL", "3986 7.3", (request("GET /a%00b HTTP/1.1"),), (KEPT, BAD), {"PATH_INFO": "/a\0b"}
    )
    for name, (target, host, absolute, query) in ABSOLUTE.items():
        facts: Facts = {"HTTP_HOST": host, "PATH_INFO": absolute, "QUERY_STRING": query}
        yield Case(f"target: {name}", "9112 3.2.2", (request(f"GET {target} HTTP/1.1"),), (KEPT,), facts)
    yield from _wrong_targets()
    yield from _asterisk()
    yield from _methods()
    yield from _versions()
    yield from _lines()


def _wrong_targets() -> Iterator[Case]:
    for name, target in WRONG_TARGETS.items():
        line = b"GET " + text(target) + b" HTTP/1.1"
        yield Case(f"target: {name}", "9112 3.2", (request(line) + SMUGGLED,), (BAD,))
    for name, char in UNSAFE.items():
        yield Case(f"target: {name} in a path", "9112 3.2", (request(f"GET /a{char}b HTTP/1.1"),), (BAD,))
    foreign = request("GET ftp://test/one HTTP/1.1")
    yield Case("target: absolute-form of another scheme", "9110 7.4", (foreign,), SOME)
    yield Case("target: absolute-form without Host", "9112 3.2", (bare("GET http://test/one HTTP/1.1"),), (BAD,))
    wrong = bare("GET http://test/one HTTP/1.1", "Host: te st")
    yield Case("target: absolute-form and a bad Host", "9112 3.2", (wrong,), (BAD,))
    long = request(f"GET /{'x' * 9000} HTTP/1.1")
    yield Case("limits: path of 9,000 bytes", "9110 15.5.15", (long,), ("414 close",))
    long = request(f"GET /one?{'x' * 9000} HTTP/1.1")
    yield Case("limits: query of 9,000 bytes", "9110 15.5.15", (long,), ("414 close",))
    endless = b"GET /" + b"x" * 3_000_000
    yield Case("limits: target without end", "9110 15.5.15", (endless,), ("414 close",))
    fitting = request(f"GET /one?{'x' * 7980} HTTP/1.1")
    yield Case("limits: request line of 8,000 bytes", "9112 3", (fitting,), (KEPT,), {"PATH_INFO": "/one"})


def _asterisk() -> Iterator[Case]:
    facts = {"REQUEST_METHOD": "OPTIONS", "PATH_INFO": "*"}
    yield Case("target: OPTIONS *", "9112 3.2.4", (request("OPTIONS * HTTP/1.1"),), (KEPT,), facts)
    yield Case("target: GET *", "9112 3.2.4", (request("GET * HTTP/1.1") + SMUGGLED,), (BAD,))
    yield Case(
        "target: asterisk in a path", "9112 3.2.1", (request("GET /a*b HTTP/1.1"),), (KEPT,), {"PATH_INFO": "/a*b"}
    )


def _methods() -> Iterator[Case]:
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        data = request(f"{method} /one HTTP/1.1", "Content-Length: 0")
        yield Case(f"method: {method}", "9110 9", (data,), (KEPT,), {"REQUEST_METHOD": method})
    for method in UNKNOWN_METHODS:
        data = request(f"{method} /one HTTP/1.1") + SMUGGLED
        yield Case(f"method: {method[:20]}", "9110 9.1", (data,), ("501 close",))
    for method in ("SEARCH", "NOTIFY", "PURGE", "M-SEARCH", "PROPFIND", "TRACE"):
        data = request(f"{method} /one HTTP/1.1")
        yield Case(f"method: {method}", "9110 9.1", (data,), (KEPT, "501 close"), {"REQUEST_METHOD": method})
    for name, method in WRONG_METHODS.items():
        data = request(f"{method} /one HTTP/1.1") + SMUGGLED
        yield Case(f"method: {name}", "9112 3.1; 9110 9.1", (data,), (BAD,))


def _versions() -> Iterator[Case]:
    yield Case("version: 1.0", "9112 9.3", (bare("GET /one HTTP/1.0"),), (ENDED,), {"SERVER_PROTOCOL": "HTTP/1.0"})
    kept = bare("GET /one HTTP/1.0", "Connection: keep-alive")
    yield Case(
        "version: 1.0 and keep-alive", "9112 9.3, C.2.2", (kept,), (KEPT, ENDED), {"SERVER_PROTOCOL": "HTTP/1.0"}
    )
    for version in ("HTTP/1.2", "HTTP/1.9"):
        data = request(f"GET /one {version}")
        yield Case(f"version: {version[5:]}", "9110 2.5", (data,), (KEPT,))
    for version in OTHER_VERSIONS:
        data = request(f"GET /one {version}") + SMUGGLED
        yield Case(f"version: {version[5:]}", "9110 15.6.6", (data,), ("505 close", BAD))
    for name, version in WRONG_VERSIONS.items():
        yield Case(f"version: {name}", "9112 2.3, 3", (request(f"GET /one {version}") + SMUGGLED,), (BAD, "505 close"))
    simple = (BAD, "505 close", "closed")
    yield Case("version: none", "9112 3", (b"GET /one\r\n",), simple)
    yield Case("version: none and an empty line", "9112 3", (b"GET /one\r\n\r\n",), simple)
    yield Case("version: none with fields", "9112 3", (request("GET /one"),), simple)
    preface = (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",)
    yield Case("version: preface of HTTP/2", "9113 3.4", preface, (BAD, "501 close", "505 close"))
    yield Case("version: TLS on a plain port", "9112 3", (TLS_HELLO,), (BAD, "closed"))


def _lines() -> Iterator[Case]:
    for name, lead, allowed in (
        ("CRLF", b"\r\n", (KEPT,)),
        ("two CRLFs", b"\r\n\r\n", (KEPT, BAD)),
        ("LF", b"\n", (KEPT, BAD)),
        ("blank", b" ", (BAD,)),
        ("NUL", b"\0", (BAD,)),
        ("byte order mark", b"\xef\xbb\xbf", (BAD,)),
    ):
        yield Case(f"request line: {name} before it", "9112 2.2", (lead + request(),), allowed)
    for name, line, loose in (
        ("two blanks before the target", "GET  /one HTTP/1.1", True),
        ("two blanks before the version", "GET /one  HTTP/1.1", True),
        ("tabs", "GET\t/one\tHTTP/1.1", True),
        ("blank at the end", "GET /one HTTP/1.1 ", True),
        ("blank in the target", "GET /o ne HTTP/1.1", False),
        ("method alone", "GET", False),
        ("method and blank", "GET ", False),
        ("version alone", "HTTP/1.1", False),
        ("no target", "GET HTTP/1.1", False),
        ("empty target", "GET  HTTP/1.1", False),
        ("a response", "HTTP/1.1 200 OK", False),
    ):
        allowed = (BAD, KEPT) if loose else (BAD,)
        yield Case(f"request line: {name}", "9112 3", (request(line),), allowed)
