"""Header lines: their ends, names and values, and Host."""

from collections.abc import Iterator

from tests.integration.conformance.cases import BAD, ENDED, KEPT, SMUGGLED, Case, Gap, bare, post, request

LINE = "GET /one HTTP/1.1"
HEADS_TOO_LARGE = ("431 close",)

BARE_LF = {
    "LF after the request line": b"GET /one HTTP/1.1\nHost: test\r\n\r\n",
    "LF after a field": b"GET /one HTTP/1.1\r\nHost: test\nX-A: b\r\n\r\n",
    "LF after every line": b"GET /one HTTP/1.1\nHost: test\n\n",
    "LF as the empty line": b"GET /one HTTP/1.1\r\nHost: test\r\n\n",
    "LF before CRLF": b"GET /one HTTP/1.1\r\nHost: test\n\r\n",
}
"""RFC 9112, 2.2: a recipient MAY accept a single LF as the end of a line."""

WRONG_LINES = {
    "bare CR in a value": "X-A: b\rX-C: d",
    "bare CR at the end of a value": "X-A: b\r",
    "bare CR hides a length": "X-A: b\rContent-Length: 39",
    "CR CR LF": "X-A: b\r\r",
    "NUL in a value": "X-A: b\0c",
    "NUL as the value": "X-A: \0",
    "NUL in a name": "X\0A: b",
}

FOLDED = {
    "folded with a blank": "X-A: b\r\n c",
    "folded with a tab": "X-A: b\r\n\tc",
    "folded length": "X-A: b\r\n Content-Length: 39",
    "fold of nothing": "X-A: b\r\n ",
}

WRONG_NAMES = {
    "no colon": "X-A",
    "no name": ": b",
    "blank in a name": "X A: b",
    "blank before the colon": "X-A : b",
    "tab before the colon": "X-A\t: b",
    "parenthesis in a name": "X(A): b",
    "quote in a name": 'X"A: b',
    "slash in a name": "X/A: b",
    "brace in a name": "X{A}: b",
    "comma in a name": "X,A: b",
    "byte above 127 in a name": "X\xc4: b",
    "DEL in a name": "X\x7f: b",
    "control in a name": "X\x01: b",
    "only a blank": " ",
}

SOUND_FIELDS: dict[str, tuple[str, dict[str, str | None]]] = {
    "no blank after the colon": ("X-A:b", {"HTTP_X_A": "b"}),
    "blanks and tabs around a value": ("X-A: \t b \t ", {"HTTP_X_A": "b"}),
    "blanks inside a value": ("X-A: b  c\td", {"HTTP_X_A": "b  c\td"}),
    "empty value": ("X-A:\r\nX-B: c", {"HTTP_X_A": "", "HTTP_X_B": "c"}),
    "value of blanks": ("X-A:  \t\r\nX-B: c", {"HTTP_X_A": "", "HTTP_X_B": "c"}),
    "bytes above 127 in a value": ("X-A: \xc3\xa9", {"HTTP_X_A": "\xc3\xa9"}),
    "colons in a value": ("X-A: b:c: d", {"HTTP_X_A": "b:c: d"}),
    "every token character": ("!#$%&'*+-.^`|~09AZaz: b", {}),
    "name in lower case": ("x-a: b", {"HTTP_X_A": "b"}),
    "name of one letter": ("X: b", {"HTTP_X": "b"}),
}

WRONG_HOSTS = {
    "two hosts": "Host: test\r\nHost: evil",
    "the same host twice": "Host: test\r\nHost: test",
    "two hosts, one empty": "Host:\r\nHost: evil",
    "two hosts in different case": "Host: test\r\nhost: evil",
    "blank before the colon of Host": "Host : test",
    "folded Host": "Host: test\r\n evil",
    "blank in Host": "Host: te st",
    "slash in Host": "Host: test/evil",
    "question mark in Host": "Host: test?evil",
    "fragment in Host": "Host: test#evil",
    "user in Host": "Host: user@test",
    "backslash in Host": "Host: test\\evil",
    "angle brackets in Host": "Host: <test>",
    "bytes above 127 in Host": "Host: t\xc3\xa9st",
    "control in Host": "Host: te\x01st",
    "bad escape in Host": "Host: te%zzst",
    "two ports": "Host: test:80:80",
    "port with letters": "Host: test:http",
    "open bracket": "Host: [::1",
    "text after a bracket": "Host: [::1]x",
    "empty brackets": "Host: []",
    "IPv6 address without brackets": "Host: ::1",
    "URL as Host": "Host: http://test/",
}

SOUND_HOSTS = {
    "name": "test",
    "name and port": "test:8080",
    "empty port": "test:",
    "IPv4 address": "127.0.0.1:80",
    "IPv6 address": "[::1]",
    "IPv6 address and port": "[2001:db8::1]:8080",
    "underscore": "my_host.example",
    "escape": "te%73t",
    "upper case": "TEST.Example",
    "trailing dot": "test.",
}


def cases() -> Iterator[Case]:
    for name, data in BARE_LF.items():
        yield Case(f"lines: {name}", "9112 2.2", (data,), (BAD, KEPT))
    for name, line in WRONG_LINES.items():
        yield Case(f"lines: {name}", "9112 2.2; 9110 5.5", (request(LINE, line) + SMUGGLED,), (BAD,))
    for name, line in FOLDED.items():
        yield Case(f"lines: {name}", "9112 5.2", (request(LINE, line),), (BAD, KEPT))
    before = bare(LINE, " X-A: b", "Host: test")
    alone = (b"\r\n", Gap(), request(LINE))
    yield Case("request line: CRLF alone before it", "9112 2.2", alone, (KEPT,))
    yield Case("lines: blank before the first field", "9112 2.2", (before,), (BAD, KEPT), {"HTTP_X_A": None})
    for name, line in WRONG_NAMES.items():
        yield Case(f"fields: {name}", "9112 5; 9110 5.1", (request(LINE, line) + SMUGGLED,), (BAD,))
    for name, (line, facts) in SOUND_FIELDS.items():
        yield Case(f"fields: {name}", "9112 5; 9110 5.5", (request(LINE, line),), (KEPT,), facts)
    for name, char in {"control": "\x01", "DEL": "\x7f", "vertical tab": "\x0b"}.items():
        data = request(LINE, f"X-A: b{char}c")
        yield Case(f"fields: {name} in a value", "9110 5.5", (data,), (BAD, KEPT), {"HTTP_X_A": f"b{char}c"})
    yield from _names()
    yield from _hosts()
    yield from _limits()


def _names() -> Iterator[Case]:
    joined = {"HTTP_X_A": ("b, c", "b,c")}
    yield Case("fields: twice", "9110 5.3", (request(LINE, "X-A: b", "X-A: c"),), (KEPT,), joined)
    for name, line in {
        "underscore": "X_Forwarded_For: 1.2.3.4",
        "underscore and hyphen": "X_Forwarded-For: 1.2.3.4",
    }.items():
        unseen = {"HTTP_X_FORWARDED_FOR": None}
        yield Case(f"fields: {name}", "9110 17.10", (request(LINE, line),), (KEPT, BAD), unseen)
    for name, order in {"after": (0, 1), "before": (1, 0)}.items():
        lines = ("X-Forwarded-For: 1.1.1.1", "X_Forwarded_For: 2.2.2.2")
        data = request(LINE, *(lines[index] for index in order))
        facts = {"HTTP_X_FORWARDED_FOR": "1.1.1.1"}
        yield Case(f"fields: underscore {name} the real one", "9110 17.10", (data,), (KEPT, BAD), facts)
    low = request(LINE, "Content_Type: text/evil")
    yield Case("fields: underscore in Content_Type", "9110 17.10", (low,), (KEPT, BAD), {"CONTENT_TYPE": (None, "")})
    yield Case(
        "fields: in pieces", "9112 2.2", (*(bytes([byte]) for byte in request(LINE, "X-A: b")),), (KEPT,),
        {"HTTP_X_A": "b"},
    )  # fmt: skip


def _hosts() -> Iterator[Case]:
    yield Case("Host: missing", "9112 3.2", (bare(LINE) + SMUGGLED,), (BAD,))
    yield Case("Host: missing among others", "9112 3.2", (bare(LINE, "X-Host: test"),), (BAD,))
    yield Case("Host: only with an underscore", "9112 3.2", (bare(LINE, "Ho_st: test"),), (BAD,))
    yield Case("Host: missing in HTTP/1.0", "9112 3.2", (bare("GET /one HTTP/1.0"),), (ENDED,))
    for name, lines in WRONG_HOSTS.items():
        yield Case(f"Host: {name}", "9112 3.2", (bare(LINE, lines) + SMUGGLED,), (BAD,))
    for name, value in SOUND_HOSTS.items():
        yield Case(f"Host: {name}", "9110 7.2", (bare(LINE, f"Host: {value}"),), (KEPT,), {"HTTP_HOST": value})
    yield Case("Host: empty", "9112 3.2", (bare(LINE, "Host:"),), (KEPT, BAD), {"HTTP_HOST": ""})
    yield Case("Host: comma", "9112 3.2", (bare(LINE, "Host: evil, test"),), (BAD,))
    yield Case("Host: comma without a blank", "9110 7.2", (bare(LINE, "Host: evil,test"),), (KEPT, BAD))
    last = bare("POST /one HTTP/1.1", "Content-Length: 4", "Host: test", body="body")
    yield Case("Host: last", "9110 7.2", (last,), (KEPT,), {"HTTP_HOST": "test", "body": "body"})


def _limits() -> Iterator[Case]:
    long = "x" * 9000
    yield Case("limits: value of 9,000 bytes", "6585 5", (request(LINE, f"X-A: {long}"),), HEADS_TOO_LARGE)
    yield Case("limits: name of 9,000 bytes", "6585 5", (request(LINE, f"{long}: b"),), HEADS_TOO_LARGE)
    many = [f"X-{number}: {number}" for number in range(200)]
    yield Case("limits: 200 fields", "6585 5", (request(LINE, *many),), HEADS_TOO_LARGE)
    wide = [f"X-{number}: {'x' * 6000}" for number in range(20)]
    yield Case("limits: fields of 120 kB", "6585 5", (request(LINE, *wide),), (*HEADS_TOO_LARGE, KEPT))
    endless = request(LINE)[:-2] + b"X: y\r\n" * 500_000
    yield Case("limits: fields without end", "6585 5", (endless,), HEADS_TOO_LARGE)
    fitting = request(LINE, f"X-A: {'x' * 8000}", *many[:100])
    yield Case("limits: a value of 8,000 bytes and 100 fields", "9112 3", (fitting,), (KEPT,))
    body = post("Content-Length: 200000", body="x" * 200_000)
    yield Case("limits: body", "9110 15.5.14", (body,), ("413 close",))
    announced = post("Content-Length: 200000", body="")
    yield Case("limits: body that is only announced", "9110 15.5.14", (announced,), ("413 close",))
