"""Kept answers in a server with sanitizers, whose entries collide and which sends parts of every length."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.timeout(600)
def test_kept_answers_pass_under_sanitizers() -> None:
    """`make test-fuzz` runs all tests of this folder so; these find an answer that is found by its hash alone."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "tests.fuzz.suite"]
    modules = sorted(map(str, HERE.glob("test_kept_*.py")))
    done = subprocess.run([*command, *modules], cwd=HERE.parents[2], text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout[-10_000:]
