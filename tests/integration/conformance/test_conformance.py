"""Both worker classes handle every case as RFC 9110 and 9112 allow, or differ for a known reason."""

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
def test_worker_follows_the_rfcs(server: Server, case: Case) -> None:
    result = run(case, server)
    assert unexplained(server, result) == [], (
        f"{result}, where {case.allowed} with {case.facts} is allowed ({case.rfc})"
    )
    expected = [each for each in KEPT if server.name in each.servers and case.name in each.cases]
    assert result.wrongs or not expected, "the difference is gone: remove its reason"


def test_outcome_is_the_same_byte_by_byte(server: Server) -> None:
    results = [run(in_pieces(case), server) for case in CASES if len(case.data) <= SHORT]
    assert [f"{each.case.name}: {each}" for each in results if unexplained(server, each)] == []


def unexplained(server: Server, result: Result) -> list[str]:
    """The faults without a reason that applies to our workers."""
    kept = {each.text for each in KEPT}
    known = zip(result.wrongs, reasons(server.name, result), strict=True)
    return [wrong for wrong, reason in known if reason not in kept]


def in_pieces(case: Case) -> Case:
    """The same bytes, each sent alone."""
    steps: list[bytes | Await | Gap] = []
    for step in case.steps:
        steps += [bytes([byte]) for byte in step] if isinstance(step, bytes) else [step]
    return replace(case, steps=tuple(steps))


def test_table_has_many_cases_with_unique_names() -> None:
    assert len(CASES) >= 150
    assert len({case.name for case in CASES}) == len(CASES)


def test_reasons_name_existing_patches() -> None:
    names = {repr(each.subject) for each in load()}
    for each in REPAIRED:
        assert each.text.removeprefix("repair ") in names or Path(each.text).exists(), each.text


def test_reasons_name_existing_cases() -> None:
    for each in KEPT:
        for pattern in each.cases:
            assert pattern == "*" or pattern in {case.name for case in CASES}, pattern
