"""Every case of the table is answered in the same way whether the server keeps answers or not."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conformance.cases import Await, Case, request
from tests.integration.conformance.exchange import exchange
from tests.integration.conformance.table import CASES
from tests.integration.server.serving import Server

PROGRAM = str(Path(__file__).with_name("kept_probe_app.py"))
WARM = request("GET /warm HTTP/1.1")
"""The first request of a connection is never answered from what is kept."""
CHANGING = (b"date", b"x-request-id")
LIMITS = {"header_timeout": 2, "body_timeout": 2}
UNLIKE = {"pipelining: a hundred"}
"""The parser takes 64 requests at once, as each of them takes memory; more kept answers than that can be given."""
PLAIN = (
    ("a header twice", request("GET /one HTTP/1.1", "User-Agent: a", "User-Agent: a")),
    ("an id with a blank", request("GET /one HTTP/1.1", "X-Request-ID: a b")),
    ("HTTP/1.0 that is kept", request("GET /one HTTP/1.0", "Connection: keep-alive")),
    ("a carriage return in a name", request("GET /one HTTP/1.1", b"user\ragent: a")),
    ("a header that is ignored", request("GET /one HTTP/1.1", "Cookie: a=b")),
    ("a header that is not known", request("GET /one HTTP/1.1", "X-Other: a")),
)


class Plain(Server):
    command = (PROGRAM, "plain")


class Keeping(Server):
    command = (PROGRAM, "keep")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    folder = tmp_path_factory.mktemp("kept")
    with ExitStack() as stack:
        keeping, plain = (stack.enter_context(kind("meinheld", folder, **LIMITS)) for kind in (Keeping, Plain))
        yield keeping, plain


def warmed(case: Case) -> Case:
    """Behind a request of the same connection, and behind one that is kept and the same as most cases."""
    return replace(case, steps=(WARM, Await(b"/warm"), *case.steps), methods=("GET", *case.methods))


def outcome(case: Case, server: Server) -> tuple[Any, ...]:
    assert server.address is not None
    found = exchange(case, server.address)
    answers = [
        (each.status, [(n, v) for n, v in each.headers.items() if n not in CHANGING], each.body, each.cut)
        for each in found.answers
    ]
    return answers, found.kept, sorted(found.faults)


def test_cases_are_answered_as_without_kept_answers(servers: tuple[Server, Server]) -> None:
    """Three times each: what may be kept is kept at the second time."""
    keeping, plain = servers
    cases = [
        warmed(case)
        for case in (*CASES, *(Case(name, "", (data,), ()) for name, data in PLAIN))
        if case.name not in UNLIKE
    ]

    def differing(case: Case) -> str | None:
        wanted = outcome(case, plain)
        found = [outcome(case, keeping) for _ in range(3)]
        return None if all(each == wanted for each in found) else f"{case.name}: {found} instead of {wanted}"

    with ThreadPoolExecutor(16) as pool:
        assert [each for each in pool.map(differing, cases) if each] == []
    assert keeping.address is not None
    answers = exchange(warmed(Case("plain", "", (request("GET /one HTTP/1.1"),), ())), keeping.address).answers
    assert answers[1].headers[b"x-request-id"].startswith(b"kept-k")
