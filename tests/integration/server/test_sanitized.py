"""Kept answers in a server with sanitizers, whose entries collide and which sends parts of every length."""

from pathlib import Path

import pytest

from tests.fuzz import suite


@pytest.mark.timeout(600)
def test_kept_answers_pass_under_sanitizers() -> None:
    """`make test-fuzz` runs all tests of this folder so; these find an answer that is found by its hash alone."""
    suite.run(*sorted(map(str, Path(__file__).parent.glob("test_kept_*.py"))))
