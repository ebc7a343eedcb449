"""Content-Length and Transfer-Encoding: where a request ends (request smuggling)."""

from collections.abc import Iterator

from tests.integration.conformance.cases import BAD, ENDED, KEPT, SMUGGLED, Case, bare, post, request

CHUNKS = "4\r\nbody\r\n0\r\n\r\n"
READ = {"body": "body"}
FAULTY = (BAD, ENDED)
"""Refused, or read as chunked on a connection that is then closed."""


def both(*headers: str) -> bytes:
    return post(*headers, body=CHUNKS) + SMUGGLED


TWO_LENGTHS = {
    "length, then coding": both("Content-Length: 4", "Transfer-Encoding: chunked"),
    "coding, then length": both("Transfer-Encoding: chunked", "Content-Length: 4"),
    "length zero and coding": both("Content-Length: 0", "Transfer-Encoding: chunked"),
    "length of all and coding": both("Content-Length: 14", "Transfer-Encoding: chunked"),
    "length and coding, lower case": both("content-length: 4", "transfer-encoding: chunked"),
    "length and coding, upper case": both("CONTENT-LENGTH: 4", "TRANSFER-ENCODING: CHUNKED"),
    "length and coding after a tab": both("Content-Length: 4", "Transfer-Encoding:\tchunked"),
    "coding in HTTP/1.0": bare(
        "POST /one HTTP/1.0", "Transfer-Encoding: chunked", "Connection: keep-alive", body=CHUNKS
    )
    + SMUGGLED,
    "coding and length in HTTP/1.0": bare(
        "POST /one HTTP/1.0", "Content-Length: 14", "Transfer-Encoding: chunked", "Connection: keep-alive", body=CHUNKS
    )
    + SMUGGLED,
}

WRONG_CODINGS = {
    "xchunked": "Transfer-Encoding: xchunked",
    "chunkedx": "Transfer-Encoding: chunkedx",
    "chunk": "Transfer-Encoding: chunk",
    "chunked, identity": "Transfer-Encoding: chunked, identity",
    "identity": "Transfer-Encoding: identity",
    "gzip alone": "Transfer-Encoding: gzip",
    "chunked, gzip": "Transfer-Encoding: chunked, gzip",
    "chunked twice in a list": "Transfer-Encoding: chunked, chunked",
    "chunked twice": "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "chunked, then identity": "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "quoted chunked": 'Transfer-Encoding: "chunked"',
    "chunked after a vertical tab": "Transfer-Encoding: \x0bchunked",
    "chunked before a vertical tab": "Transfer-Encoding: chunked\x0b",
    "chunked before NUL": "Transfer-Encoding: chunked\0",
    "empty coding": "Transfer-Encoding:",
    "blank before the colon": "Transfer-Encoding : chunked",
    "tab before the colon": "Transfer-Encoding\t: chunked",
    "coding with a bare CR": "Transfer-Encoding: chunked\rX: y",
    "coding hidden behind a bare CR": "X-A: b\rTransfer-Encoding: chunked",
    "a blank inside the name": "Transfer- Encoding: chunked",
}

UNKNOWN_CODINGS = {
    "gzip, chunked": "Transfer-Encoding: gzip, chunked",
    "gzip, then chunked": "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
    "identity, chunked": "Transfer-Encoding: identity, chunked",
}

SOUND_CODINGS = {
    "chunked": "Transfer-Encoding: chunked",
    "lower-case name": "transfer-encoding: chunked",
    "upper-case name and value": "TRANSFER-ENCODING: CHUNKED",
    "mixed case": "transfer-Encoding: cHuNkEd",
    "no blank after the colon": "Transfer-Encoding:chunked",
    "blanks around the coding": "Transfer-Encoding: \t chunked \t ",
}

EMPTY_ELEMENTS = {"chunked and an empty element": "Transfer-Encoding: chunked,"}

WRONG_LENGTHS: dict[str, str | bytes] = {
    "two lengths": "Content-Length: 4\r\nContent-Length: 5",
    "two lengths, the first longer": "Content-Length: 44\r\nContent-Length: 4",
    "list of different lengths": "Content-Length: 4, 5",
    "signed length": "Content-Length: +4",
    "negative length": "Content-Length: -4",
    "length in hex": "Content-Length: 0x4",
    "length with a blank": "Content-Length: 4 4",
    "length with a tab": "Content-Length: 4\t4",
    "length with a fraction": "Content-Length: 4.0",
    "length with an underscore": "Content-Length: 4_0",
    "length with an exponent": "Content-Length: 4e0",
    "length with a letter": "Content-Length: 4a",
    "length with a semicolon": "Content-Length: 4;",
    "quoted length": 'Content-Length: "4"',
    "length in other digits": b"Content-Length: \xd9\xa4",
    "length before NUL": "Content-Length: 4\0",
    "length after a vertical tab": "Content-Length: \x0b4",
    "length before a form feed": "Content-Length: 4\x0c",
    "empty length": "Content-Length:",
    "blank length": "Content-Length: \t ",
    "blank before the colon of a length": "Content-Length : 4",
    "NUL in the name of a length": "Content-Length\0: 4",
    "length folded": "Content-Length: 4\r\n 4",
}

HUGE_LENGTHS = {
    "2^31 + 4": str(2**31 + 4),
    "2^32 + 4": str(2**32 + 4),
    "2^63 + 4": str(2**63 + 4),
    "2^64 - 1": str(2**64 - 1),
    "2^64 + 4": str(2**64 + 4),
    "10^30": "1" + "0" * 30,
}

SAME_LENGTHS = {
    "the same length twice": "Content-Length: 4\r\nContent-Length: 4",
    "list of the same length": "Content-Length: 4, 4",
}

SOUND_LENGTHS = {
    "length": "Content-Length: 4",
    "length, lower case": "content-length: 4",
    "leading zeros": "Content-Length: 0004",
    "blank after a length": "Content-Length: 4 ",
    "tab after a length": "Content-Length: 4\t",
    "no blank before a length": "Content-Length:4",
}


def cases() -> Iterator[Case]:
    for name, data in TWO_LENGTHS.items():
        yield Case(f"CL.TE: {name}", "9112 6.1, 6.3", (data,), FAULTY, READ)
    for name, header in WRONG_CODINGS.items():
        yield Case(f"TE: {name}", "9112 6.1, 6.3", (post(header, body=CHUNKS) + SMUGGLED,), (BAD,))
        if name in ("xchunked", "blank before the colon", "chunked before a vertical tab"):
            data = post("Content-Length: 4", header, body=CHUNKS) + SMUGGLED
            yield Case(f"TE.CL: {name}", "9112 6.1, 6.3", (data,), (BAD,))
    for name, header in UNKNOWN_CODINGS.items():
        yield Case(f"TE: {name}", "9112 6.1", (post(header, body=CHUNKS) + SMUGGLED,), ("501 close",))
    for name, header in SOUND_CODINGS.items():
        yield Case(f"TE: {name}", "9112 6.1, 7.1", (post(header, body=CHUNKS),), (KEPT,), READ)
    for name, header in EMPTY_ELEMENTS.items():
        yield Case(f"TE: {name}", "9110 5.6.1.2", (post(header, body=CHUNKS),), (KEPT,), READ)
    folded = post("Transfer-Encoding:", " chunked", body=CHUNKS)
    yield Case("TE: folded", "9112 5.2", (folded,), (BAD, KEPT), READ)
    for name, value in WRONG_LENGTHS.items():
        yield Case(f"CL: {name}", "9112 6.3", (post(value) + SMUGGLED,), (BAD,))
    for name, value in HUGE_LENGTHS.items():
        data = post(f"Content-Length: {value}") + SMUGGLED
        yield Case(f"CL: {name}", "9110 8.6", (data,), (BAD, "413 close"))
    for name, header in SAME_LENGTHS.items():
        yield Case(f"CL: {name}", "9110 8.6", (post(header),), (BAD, KEPT), READ)
    for name, header in SOUND_LENGTHS.items():
        yield Case(f"CL: {name}", "9110 8.6", (post(header),), (KEPT,), READ)
    yield Case("CL: a request without body", "9112 6.3", (request("POST /one HTTP/1.1"),), (KEPT,), {"body": ""})
    yield Case("CL: zero", "9110 8.6", (post("Content-Length: 0", body=""),), (KEPT,), {"body": ""})
    with_body = request("GET /one HTTP/1.1", "Content-Length: 4", body="body")
    yield Case("CL: GET with a body", "9110 9.3.1", (with_body,), (KEPT,), READ)
    inside = request("GET /one HTTP/1.1", f"Content-Length: {len(SMUGGLED)}", body=SMUGGLED)
    yield Case("CL: a request as the body of GET", "9110 9.3.1", (inside,), (KEPT,), {"body": SMUGGLED.decode()})
    low = post("Content_Length: 39", body="") + SMUGGLED
    yield Case("CL: underscore in the name", "9112 6.3", (low,), ("200+200 keep", BAD), {"CONTENT_LENGTH": (None, "")})
    low = post("Content-Length: 4", "Content_Length: 40")
    yield Case("CL: underscore beside the real one", "9112 6.3", (low,), (KEPT, BAD), READ)
    low = post("Transfer_Encoding: chunked", "Content-Length: 4")
    yield Case("TE: underscore beside a length", "9112 6.3", (low,), (KEPT, BAD), READ)
