"""The requests to mutate: valid ones, and ones that are known to cause errors in servers."""

from tests.integration.conformance.table import CASES

CHUNKS = b"4\r\nbody\r\n5;x=y\r\n-more\r\n0\r\n\r\n"
TRAILED = b"4\r\nbody\r\n0\r\nX-Sum: 1\r\nContent-Length: 9\r\n\r\n"
LONG = b"x" * 8190


def request(line: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join((line, *headers, b"", body))


HOST = b"Host: test"
METHODS = (
    b"TRACE", b"COPY", b"LOCK", b"MKCOL", b"MOVE", b"PROPFIND", b"PROPPATCH", b"UNLOCK", b"REPORT", b"MKACTIVITY",
    b"CHECKOUT", b"MERGE", b"M-SEARCH", b"NOTIFY", b"SUBSCRIBE", b"UNSUBSCRIBE", b"PURGE", b"SEARCH",
    b"QUERY",
)  # fmt: skip
CHUNKED = b"Transfer-Encoding: chunked"

SOUND = (
    request(b"GET /TARGET HTTP/1.1", HOST),
    request(b"GET /TARGET?a=b&c=%20d HTTP/1.1", HOST, b"Accept: */*", b"User-Agent: curl/8.5.0", b"Cookie: a=b; c=d"),
    request(b"HEAD /TARGET HTTP/1.1", HOST),
    request(b"GET /TARGET HTTP/1.0"),
    request(b"GET /TARGET HTTP/1.0", b"Connection: keep-alive"),
    request(b"GET /TARGET HTTP/1.1", HOST, b"Connection: close"),
    request(b"POST /TARGET HTTP/1.1", HOST, b"Content-Length: 9", b"Content-Type: text/plain", body=b"body\nmore"),
    request(b"PUT /TARGET HTTP/1.1", HOST, b"Content-Length: 3000", body=b"line\n" * 600),
    request(b"POST /TARGET HTTP/1.1", HOST, b"Content-Length: 70000", body=b"x" * 70000),
    request(b"POST /TARGET HTTP/1.1", HOST, CHUNKED, body=CHUNKS),
    request(b"PATCH /TARGET HTTP/1.1", HOST, b"transfer-encoding: Chunked", body=TRAILED),
    request(b"POST /TARGET HTTP/1.1", HOST, CHUNKED, body=b"1f40\r\n" + b"y" * 8000 + b"\r\n0\r\n\r\n"),
    request(b"POST /TARGET HTTP/1.1", HOST, b"Expect: 100-continue", b"Content-Length: 4", body=b"body"),
    request(b"DELETE /TARGET HTTP/1.1", HOST, b"Content-Length: 0"),
    request(b"OPTIONS * HTTP/1.1", HOST),
    request(b"GET http://test/TARGET?q HTTP/1.1", HOST),
)

NASTY = (
    request(b"CONNECT test:443 HTTP/1.1", HOST),
    request(b"GET /TARGET HTTP/1.1", HOST, b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c"),
    request(b"GET /TARGET HTTP/1.1", HOST, b"Upgrade: websocket", b"Connection: Upgrade"),
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET /TARGET\r\n",
    b"\r\n\r\nGET /TARGET HTTP/1.1\r\nHost: test\r\n\r\n",
    request(b"POST /TARGET HTTP/1.1", HOST, b"Content-Length: 4", CHUNKED, body=CHUNKS),
    request(b"POST /TARGET HTTP/1.1", HOST, b"Content-Length: 4", b"Content-Length: 5", body=b"body"),
    request(b"POST /TARGET HTTP/1.1", HOST, b"Content-Length: 99999999999999999999", body=b"body"),
    request(b"POST /TARGET HTTP/1.1", HOST, b"Content-Length: 4294967295", body=b"body"),
    request(b"POST /TARGET HTTP/1.1", HOST, CHUNKED, body=b"ffffffffffffffff\r\nbody\r\n0\r\n\r\n"),
    request(b"POST /TARGET HTTP/1.1", HOST, CHUNKED, body=b"7fffffff\r\nbody"),
    request(b"POST /TARGET HTTP/1.1", HOST, CHUNKED, body=b"0;" + LONG + b"\r\nX: y\r\n\r\n"),
    request(b"POST /TARGET HTTP/1.1", HOST, b"Expect: 200-maybe", b"Content-Length: 4", body=b"body"),
    request(b"GET /TARGET HTTP/1.1", HOST, b"X-A: b", b" folded: c"),
    request(b"GET /TARGET HTTP/1.1", HOST, b"X-A:", b"X-B:  ", b"X_C: d", b": e", b"X-A: again"),
    request(b"GET /TARGET HTTP/1.1", HOST, b"X-A: " + LONG, b"X-B: " + LONG),
    request(b"GET /TARGET HTTP/1.1", HOST, LONG + b": x"),
    request(b"GET /" + LONG + b" HTTP/1.1", HOST),
    request(b"GET /TARGET?" + LONG + b"#f HTTP/1.1", HOST),
    request(b"GET /TARGET HTTP/1.1", HOST, *(b"X-%d: y" % n for n in range(140))),
    request(b"GET /%zz%2f%00%ff%?%#% HTTP/1.1", HOST),
    request(b"GET http://test HTTP/1.1", HOST),
    request(b"GET https://[::1]:80?q HTTP/1.1", b"Host: [::1]"),
    request(b"GET http://user@test:80x/TARGET HTTP/1.1", b"Host: a%2eb:8"),
    request(b"GET /TARGET HTTP/1.1", HOST, b"Connection: , close ,,keep-alive\t,", b"Connection: x"),
    request(b"POST /TARGET HTTP/1.1", HOST, b"Transfer-Encoding: gzip,, chunked ,", body=CHUNKS),
    request(b"GET ://?#/TARGET HTTP/1.1", HOST),
    *(request(method + b" /TARGET HTTP/1.1", HOST) for method in METHODS),
    request(b"GET /TARGET HTTP/1.1", HOST) * 80,
    request(b"POST /TARGET HTTP/1.1", HOST, b"Content-Length: 4", body=b"body") * 7,
    request(b"POST /TARGET HTTP/1.1", HOST, CHUNKED, body=TRAILED) * 7,
    b"GET /TARGET HTTP/1.1\nHost: test\n\n",
    b"GET /TARGET HTTP/1.1\r\nHost: test\r\nX-A: \0\r\n\r\n",
    b"A" * 100_000,
    b"\r\n" * 5000,
    *(case.data for case in CASES),
)

TOKENS = (
    b"\r\n", b"\r", b"\n", b"\r\n\r\n", b"\0", b" ", b"\t", b":", b": ", b";", b",", b"_", b"-", b"%", b"%00",
    b"%0d%0a", b"?", b"#", b"/", b"//", b"://", b"*", b"@", b"[::1]", b"\xff", b"\xc3\xa9", b"\x7f", b"0", b"1", b"-1",
    b"+1", b"0x", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/1.10", b"http/1.1", b"HTTP/65536.1",
    b"GET ", b"POST ", b"HEAD ", b"GEX ", b"M-SEARCH ", b"PROPPATCH ", b"PROPFIND ", b"get ", b"Host: other\r\n",
    b"Host:\r\n", b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"content-length: 18446744073709551615\r\n",
    b"Content_Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: identity\r\n",
    b"Transfer-Encoding:\r\n", b"transfer-encoding: gzip, chunked\r\n", b"Expect: 100-continue\r\n",
    b"Expect: \xff\r\n", b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Connection: upgrade\r\n",
    b"Upgrade: x\r\n", b"X-A: b\r\n", b"X_A: b\r\n", b"X-\xff: b\r\n", b" folded\r\n", b"0\r\n\r\n", b"4\r\nbody\r\n",
    b"5;a=b\r\nbody\r\n", b"ffffffff\r\n", b"GET /TARGET HTTP/1.1\r\nHost: t\r\n\r\n",
)  # fmt: skip

NUMBERS = (
    b"0", b"1", b"3", b"5", b"7", b"255", b"256", b"4096", b"65536", b"100000", b"100001", b"2147483647", b"2147483648",
    b"4294967295", b"4294967296", b"9223372036854775807", b"18446744073709551615", b"18446744073709551616", b"-1",
    b"00000000000000000005", b"1e3", b"0x10", b"5 5", b"5,5", b"f", b"ffffffff", b"fffffffffffffff",
    b"10000000000000000",
)  # fmt: skip
