"""`make test-fuzz`: the sanitized server with mutated requests and responses, and leak checks.

`FUZZ_SECONDS` (60), `FUZZ_SEED` (by the clock) and `LEAK_PART` (0.05; 1 sends 1,000,000 requests, 100,000 aborted ones,
10,000 uploads and 100,000 mutated ones) change how much is done.
"""

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fuzz import sanitized, suite
from tests.fuzz.leaks import SCENARIOS, measure
from tests.fuzz.plan import Plan
from tests.fuzz.process import Broken, Fuzzed

SECONDS = float(os.environ.get("FUZZ_SECONDS", "60"))
SEED = int(os.environ.get("FUZZ_SEED", str(int(time.time()))))
PART = float(os.environ.get("LEAK_PART", "0.05"))


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[object], None]:
    """Print also if the test passes."""

    def printed(text: object) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{text}\n")

    return printed


@pytest.mark.timeout(SECONDS + 600)
def test_mutated_requests_and_responses_do_not_break_the_worker(tmp_path: Path, say: Callable[[object], None]) -> None:
    report = Plan(SEED, seconds=SECONDS).play(tmp_path, sanitized.environment())
    say(json.dumps(report))
    assert report["cases"] > 0
    assert report["given from kept answers"] > 0


@pytest.mark.timeout(600)
def test_fuzzer_finds_a_reintroduced_defect(tmp_path: Path) -> None:
    with pytest.raises(Broken, match="AddressSanitizer: heap-use-after-free"):
        Plan(1, seconds=120).play(tmp_path, sanitized.environment(without="long header in two reads"))


@pytest.mark.timeout(900)
def test_server_tests_pass_under_sanitizers() -> None:
    """Tests named `under_load` are left out, because they need the speed of the real build."""
    suite.run("-k", "not gthread and not under_load and not sanitizers", "tests/integration/server")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    """The installed meinheld."""
    with Fuzzed(tmp_path_factory.mktemp("leaks"), {}, graceful_timeout=10) as running:
        yield running


@pytest.mark.parametrize(
    ("name", "status", "failure"),
    [
        ("fickle_close", 200, None),
        ("no_exception", 500, "TypeError"),
        ("no_tuple", 500, "TypeError"),
        ("fails_at_first", 500, "Rude"),
    ],
)
def test_wrong_application_fails_with_its_error_and_the_worker_lives(
    service: Fuzzed, name: str, status: int, failure: str | None
) -> None:
    before = Counter(service.state()["failures"])
    answer = service.ask(f"GET /wrong/{name} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n".encode())
    after = service.state()
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert Counter(after["failures"]) - before == Counter([failure] if failure else [])
    assert after["pid"] == service.pid


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("scenario", "count"), SCENARIOS, ids=lambda each: getattr(each, "__name__", ""))
def test_requests_do_not_leak(
    service: Fuzzed, scenario: Callable[[Fuzzed, int], None], count: int, say: Callable[[object], None]
) -> None:
    growth = measure(service, scenario, int(count * PART))
    say(growth)
    assert not growth.leaks(), growth
