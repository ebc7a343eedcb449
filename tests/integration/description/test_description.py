"""schemathesis compares the running service with its OpenAPI description, with all of its checks.

DESCRIPTION_CASES is the least number of cases, DESCRIPTION_SEED the seed that generates them.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.service import CHECKOUT, Service

CASES = int(os.environ.get("DESCRIPTION_CASES", "5000"))
SEED = int(os.environ.get("DESCRIPTION_SEED", "1"))
FIXED_CASES, CASES_OF_ONE_EXAMPLE = 4000, 90  # fewest of all runs together; per example
LEAST_SHARE_ACCEPTED = 0.3
SETTINGS = Path(__file__).with_name("schemathesis.toml")
BY_MAIL = {
    "POST /api/v1/auth/verify",
    "POST /api/v1/auth/recover",
    "POST /api/v1/auth/reset",
    "POST /api/v1/auth/change-address",
    "POST /api/v1/auth/accept-invitation",
    "POST /api/v1/users/me/verification",
    "POST /api/v1/users/me/email",
    "POST /account/verify",
    "POST /account/change",
    "POST /account/recover",
    "POST /account/invite",
    "POST /account/unsubscribe",
    "POST /api/v1/saved-searches/unsubscribe",
}
"""What succeeds only with mail, as tests/integration/accounts show."""
DESCRIPTION = "GET /openapi.json"  # schemathesis leaves out what it reads itself


@dataclass(frozen=True)
class Kind:
    """The phases of a run and its operations; with `security`, schemathesis also generates wrong tokens."""

    phases: str
    security: bool
    operations: tuple[str, ...] = ()


HALF = "path-regex=^/api/v1/(jobs|auth)"
"""Operations with about half of the cases that the examples and the coverage of the description consist of."""

KINDS = (
    (Kind("examples,coverage", True, (f"--include-{HALF}",)), Kind("fuzzing,stateful", security=True)),
    (Kind("examples,coverage", True, (f"--exclude-{HALF}",)), Kind("fuzzing,stateful", security=False)),
)
"""The kinds of runs against each of two services; the next seed exchanges the services."""


@dataclass(frozen=True)
class Run:
    """One process of schemathesis against one service."""

    service: Service
    kind: Kind
    seed: int
    folder: Path
    admin_email: str

    def report(self) -> dict[str, Any]:
        """Its JSON report, with what it printed as `output`."""
        self.folder.mkdir()
        options = {
            "phases": self.kind.phases,
            "generation-with-security-parameters": str(self.kind.security).lower(),
            "max-examples": max(1, (CASES - FIXED_CASES) // CASES_OF_ONE_EXAMPLE),
            "seed": self.seed,
            "report-json-path": self.folder / "report.json",
        }
        arguments = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(SETTINGS), "run"]
        arguments += [f"{self.service.url}/openapi.json", *(f"--{name}={value}" for name, value in options.items())]
        arguments += self.kind.operations
        done = subprocess.run(
            arguments, cwd=self.folder, env=self._environment(), text=True, capture_output=True, check=False
        )
        report: dict[str, Any] = json.loads((self.folder / "report.json").read_text())
        return report | {"output": done.stdout + done.stderr}

    def _environment(self) -> dict[str, str]:
        return os.environ | {
            "PYTHONPATH": str(CHECKOUT),
            "SCHEMATHESIS_HOOKS": "tests.integration.description.hooks",
            "DESCRIBED_URL": self.service.url,
            "DESCRIBED_ADMIN": self.admin_email,
        }


@pytest.fixture(scope="module")
def reports(
    services: list[Service], admin_email: str, tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, Any]]:
    """The reports of all runs; they run in parallel."""
    folder = tmp_path_factory.mktemp("schemathesis")
    chosen = services if SEED % 2 else services[::-1]
    planned = [(service, kind) for service, kinds in zip(chosen, KINDS, strict=True) for kind in kinds]
    runs = [
        Run(service, kind, SEED + number, folder / str(number), admin_email)
        for number, (service, kind) in enumerate(planned)
    ]
    with ThreadPoolExecutor(len(runs)) as pool:
        return list(pool.map(Run.report, runs))


@pytest.mark.timeout(120 + CASES // 10)
def test_the_service_matches_its_description(reports: list[dict[str, Any]]) -> None:
    for report in reports:
        assert (report["exit_code"], report["failures"], report["errors"]) == (0, [], []), report["output"]
        assert report["complete"]
        assert report["operations"]["tested"] == report["operations"]["selected"]
    assert sum(report["operations"]["selected"] for report in reports) == 3 * reports[0]["operations"]["total"]


def test_there_are_enough_cases(reports: list[dict[str, Any]]) -> None:
    assert sum(report["test_cases"]["generated"] for report in reports) >= CASES


def test_valid_cases_are_often_accepted(reports: list[dict[str, Any]], services: list[Service]) -> None:
    """Enough valid cases succeed that the checks see more than error responses."""
    for label in _operations(services[0]) - {DESCRIPTION} - BY_MAIL:
        found = _outcomes(report["valid_rates"].get(label, {}) for report in reports)
        assert found["accepted"] >= LEAST_SHARE_ACCEPTED * found.total() > 0, (label, found)


def _operations(service: Service) -> set[str]:
    document = requests.get(f"{service.url}/openapi.json", timeout=30).json()
    return {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}


def _outcomes(rates: Iterable[dict[str, dict[str, int]]]) -> Counter[str]:
    """The number of responses of each kind, over all phases."""
    total: Counter[str] = Counter()
    for rate in rates:
        for phase in rate.values():
            total.update(phase)
    return total
