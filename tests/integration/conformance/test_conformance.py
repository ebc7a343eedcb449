"""Both workers do with every request of the table what RFC 9110 and 9112 allow, or differ for a known reason."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.server.meinheld.series import load
from tests.integration.conformance.cases import Await, Case, Gap
from tests.integration.conformance.differences import KEPT, REPAIRED, reasons
from tests.integration.conformance.servers import OURS, THREADS, Server, running
from tests.integration.conformance.table import CASES, Result, run

SHORT = 2000


@pytest.fixture(scope="module", params=(OURS, THREADS))
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(request.param, tmp_path_factory.mktemp("conformance")) as started:
        yield started


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_worker_does_what_the_rfcs_want(server: Server, case: Case) -> None:
    result = run(case, server)
    assert unexplained(server, result) == [], (
        f"{result}, where {case.allowed} with {case.facts} is allowed ({case.rfc})"
    )
    expected = [each for each in KEPT if server.name in each.servers and case.name in each.cases]
    assert result.wrongs or not expected, "the difference is gone: it no longer needs a reason"


def test_the_outcome_does_not_depend_on_how_the_bytes_arrive(server: Server) -> None:
    results = [run(in_pieces(case), server) for case in CASES if len(case.data) <= SHORT]
    assert [f"{each.case.name}: {each}" for each in results if unexplained(server, each)] == []


def unexplained(server: Server, result: Result) -> list[str]:
    """What is wrong for no reason that holds for our workers."""
    kept = {each.text for each in KEPT}
    known = zip(result.wrongs, reasons(server.name, result), strict=True)
    return [wrong for wrong, reason in known if reason not in kept]


def in_pieces(case: Case) -> Case:
    """The same bytes, each sent alone."""
    steps: list[bytes | Await | Gap] = []
    for step in case.steps:
        steps += [bytes([byte]) for byte in step] if isinstance(step, bytes) else [step]
    return replace(case, steps=tuple(steps))


def test_the_table_is_large_and_every_row_has_a_name_of_its_own() -> None:
    assert len(CASES) >= 150
    assert len({case.name for case in CASES}) == len(CASES)


def test_reasons_name_repairs_that_exist() -> None:
    names = {repr(each.subject) for each in load()}
    for each in REPAIRED:
        assert each.text.removeprefix("repair ") in names or Path(each.text).exists(), each.text


def test_every_reason_is_about_cases_that_exist() -> None:
    for each in KEPT:
        for pattern in each.cases:
            assert pattern == "*" or pattern in {case.name for case in CASES}, pattern
