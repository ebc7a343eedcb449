"""A plugin: `pytest -p tests.fuzz.suite tests/integration/server` runs those tests against the sanitized server."""

import subprocess
import sys
from types import TracebackType

import pytest

from tests.fuzz import sanitized
from tests.fuzz.process import REPORT, ROOT
from tests.integration.server import serving


def pytest_configure(config: pytest.Config) -> None:
    serving.ENVIRONMENT.update(sanitized.environment())
    leave = serving.Server.__exit__

    def checked(
        self: serving.Server, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        leave(self, kind, error, at)
        assert not REPORT.search(self.log()), self.log()

    serving.Server.__exit__ = checked  # type: ignore[method-assign]


def run(*chosen: str) -> None:
    """Run the chosen tests so in another process; AssertionError with what it printed if one fails."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", __name__, *chosen]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout[-10_000:]
