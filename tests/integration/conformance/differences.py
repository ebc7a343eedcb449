"""The reasons for each difference between a server and the RFCs."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from tests.integration.conformance.servers import OURS, PLAIN, PUBLISHED, THREADS
from tests.integration.conformance.table import Result
from tests.integration.conformance.targets import UNSAFE

ANY = (OURS, THREADS, PLAIN, PUBLISHED)


@dataclass(frozen=True)
class Reason:
    """The reason for a fault (a pattern) in some cases (patterns) on some servers."""

    text: str
    servers: tuple[str, ...]
    wrong: str
    cases: tuple[str, ...] = ("*",)

    def explains(self, server: str, case: str, wrong: str) -> bool:
        if server not in self.servers or not fnmatchcase(wrong, self.wrong):
            return False
        return any(fnmatchcase(case, pattern) for pattern in self.cases)


KEPT = (
    Reason(
        "Characters that a URI does not have are taken literally in a path: browsers send some of them, and "
        "they have no other meaning there (RFC 9112, 3.2: SHOULD be refused).",
        ANY,
        "200 keep",
        tuple(f"target: {name} in a path" for name in UNSAFE),
    ),
    Reason(
        "An empty element in Transfer-Encoding is refused: no client sends one, and a proxy that does not know the "
        "coding would see a request without a body (RFC 9110, 5.6.1.2: MUST be ignored).",
        ANY,
        "?0? close",
        ("TE: chunked and an empty element",),
    ),
    Reason(
        "gunicorn answers a request of HTTP/1.0 as HTTP/1.0, with the framing of HTTP/1.0 (RFC 9110, 2.5: SHOULD be "
        "1.1).",
        (THREADS, PLAIN),
        "answers as HTTP/1.0",
    ),
    Reason(
        "gunicorn bounds the line of each chunk (8 kB) and not the sum; the time limit of the body bounds that (RFC "
        "9112, 7.1.1: ought to be limited).",
        (THREADS, PLAIN),
        "200 keep",
        ("chunks: 200 kB of extensions of 200 chunks",),
    ),
    Reason(
        "gunicorn's parser fails before it has told the method; the connection ends with the answer, so that nothing "
        "is read out of step (RFC 9110, 9.3.2: MUST NOT have a body).",
        (THREADS, PLAIN),
        "a body where none may be",
        ("HEAD: refused, too long", "HEAD: refused, bad field", "HEAD: refused, unknown version"),
    ),
)
"""Differences of our workers, which gunicorn and the published meinheld may share."""

COMPARED = (
    Reason("gunicorn's and meinheld's error pages have no Date (RFC 9110, 6.6.1).", (PLAIN, PUBLISHED), "no Date"),
    Reason(
        "gunicorn serves any method, but none with lower-case letters and none of fewer than 3 or more than 20 "
        "letters.",
        (PLAIN,),
        "*",
        ("method: *", "CONNECT: *", "bad second: unknown method"),
    ),
    Reason(
        "gunicorn leaves Host to the application.",
        (PLAIN,),
        "*00 keep",
        ("Host: *", "HEAD: refused, without Host", "*without Host", "*bad Host", "bad second: *"),
    ),
    Reason(
        "gunicorn leaves a missing Host to the application.",
        (PLAIN,),
        "100+200+400 close",
        ("Expect: a bad request",),
    ),
    Reason(
        "gunicorn leaves the authority of a target to the application and ignores fragments and bad escapes.",
        (PLAIN,),
        "*",
        ("target: absolute-form*", "target: *fragment*", "target: *escape", "target: percent sign at the end"),
    ),
    Reason(
        "gunicorn leaves the size of a body to the application.",
        (PLAIN,),
        "*",
        (
            "CL: 2^*",
            "CL: 10^30",
            "limits: body*",
            "chunks: body above the limit",
            "Expect: a body above the limit",
            "bad second: large body",
        ),
    ),
    Reason("gunicorn's default limits are lower than ours.", (PLAIN,), "4?? close", ("limits: *",)),
    Reason("gunicorn answers 501 to codings whose end cannot be known.", (PLAIN,), "501 close", ("TE*",)),
    Reason("gunicorn hands other codings to the application.", (PLAIN,), "200*", ("TE: *",)),
    Reason("gunicorn repeats the version of the client.", (PLAIN,), "*", ("version: 1.[29]",)),
    Reason("gunicorn reads Connection as one word.", (PLAIN,), "200 keep", ("Connection: *",)),
    Reason("gunicorn serves a body that ended early.", (PLAIN,), "200* close", ("half-closed: *",)),
    Reason(
        "A body that is too short is followed by the next answer; app/server/framing.py ends the connection.",
        (PLAIN, PUBLISHED),
        "*",
        ("pipelining: after a body that is too short",),
    ),
)


def _repaired(name: str, wrong: str, *cases: str) -> Reason:
    """A difference that the patch with that subject fixes."""
    return Reason(f"repair {name!r}", (PUBLISHED,), wrong, cases or ("*",))


REPAIRED = (
    _repaired("version of an answer", "answers as HTTP/1.0"),
    _repaired("version of an answer", "*", "pipelining: stream, then HTTP/1.0"),
    _repaired("error answers", "does not say close"),
    _repaired("trailers", "crash"),
    _repaired("case of Transfer-Encoding", "400 close", "TE: *case", "TE: *-case name*"),
    _repaired("transfer codings other than chunked", "*", "TE: *", "CL.TE: *"),
    _repaired("chunk sizes", "*", "chunks: *size*", "chunks: *extension*"),
    _repaired("line ends and NUL", "200+200 keep", "lines: *", "fields: *", "chunks: LF*"),
    _repaired("blanks around values", "*", "fields: blanks*"),
    _repaired("blanks around a length", "*", "CL: tab after a length"),
    _repaired("underscores in header names", "*", "*nderscore*"),
    _repaired("Host, Content-Length, version, Connection and Expect", "*00 keep", "Host: *", "*Host*", "bad second: *"),
    _repaired("Host, Content-Length, version, Connection and Expect", "*", "CL: length with a blank", "Expect: *"),
    _repaired("Host, Content-Length, version, Connection and Expect", "200 keep", "Connection: *"),
    _repaired("Host, Content-Length, version, Connection and Expect", "200*", "version: *", "*second: unknown version"),
    _repaired("versions", "200 close", "version: none*", "HEAD: refused, unknown version"),
    _repaired("request target", "*", "target: *", "bad second: after a chunked one"),
    _repaired("unknown methods", "REQUEST_METHOD*", "method: *"),
    _repaired("methods", "*", "method: *", "* unknown method", "bad second: no request"),
    _repaired("status of exceeded limits", "400 close", "limits: *"),
    _repaired("bodies", "*", "limits: *", "chunks: body above the limit"),
    _repaired("reading", "503 close"),
    _repaired("reading", "408 close"),
    _repaired(
        "reading", "*", "bad second: *", "bad third: *", "half-closed: *", "*CRLF alone*", "*later", "*in pieces"
    ),
    _repaired("serving", "*", "pipelining: *"),
    _repaired("bytes after the last request", "*", "pipelining: *"),
    _repaired("protocol upgrades", "400 close", "Upgrade: *"),
    _repaired("options of a connection", "200 close", "Connection: Proxy-Connection"),
    Reason("app/server/framing.py", (PUBLISHED,), "*", ("HEAD: *", "204: *", "304: *", "200: *", "*bodiless*")),
)


def reasons(server: str, result: Result) -> Iterable[str | None]:
    """The reason for each fault of the result; None if unknown."""
    for wrong in result.wrongs:
        every = (*KEPT, *COMPARED, *REPAIRED)
        found = (each.text for each in every if each.explains(server, result.case.name, wrong))
        yield next(found, None)
