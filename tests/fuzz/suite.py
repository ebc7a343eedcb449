"""A plugin: `pytest -p tests.fuzz.suite tests/integration/server` runs those tests against the sanitized server."""

from types import TracebackType

import pytest

from tests.fuzz import sanitized
from tests.fuzz.process import REPORT
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
