"""Runs programs, raises errors that show their output, and prints progress."""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.e2e.cluster.config import ClusterError, environment

_OUTPUT_SHOWN = 4000
_started = time.monotonic()


def say(text: str) -> None:
    """Progress, with the seconds since the start."""
    sys.stderr.write(f"[cluster {time.monotonic() - _started:5.0f} s] {text}\n")
    sys.stderr.flush()


def run(
    *arguments: str | Path,
    given: str | None = None,
    folder: Path | None = None,
    changes: Mapping[str, str] | None = None,
    timeout_s: float = 900,
) -> str:
    """Return the program's stdout; raises ClusterError with the end of its output when it fails."""
    try:
        done = subprocess.run(
            [str(each) for each in arguments],
            input=given if given is not None else "",
            cwd=folder,
            env=environment(**(changes or {})),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except FileNotFoundError as e:
        raise ClusterError(f"{arguments[0]} is not installed") from e
    except subprocess.TimeoutExpired as e:
        raise ClusterError(f"{_spelled(arguments)} has not ended within {timeout_s:g} s") from e
    if done.returncode:
        printed = (done.stdout + done.stderr).strip()[-_OUTPUT_SHOWN:]
        raise ClusterError(f"{_spelled(arguments)} ended with {done.returncode}:\n{printed}")
    return done.stdout


def succeeds(*arguments: str | Path, given: str | None = None) -> bool:
    """Whether the program exists and ends with 0."""
    try:
        run(*arguments, given=given, timeout_s=60)
    except ClusterError:
        return False
    return True


def wait_for(what: str, condition: Callable[[], bool], timeout_s: float) -> None:
    """Poll until `condition()` holds; raises ClusterError after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise ClusterError(f"{what}: not within {timeout_s:g} s")
        time.sleep(0.2)


def _spelled(arguments: Sequence[str | Path]) -> str:
    return " ".join(map(str, arguments[:6])) + (" ..." if len(arguments) > 6 else "")
