"""Runs wrk (https://github.com/wg/wrk), a closed-loop load generator with one C thread, and parses its output."""

import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.local.process import LocalError
from app.local.programs import program

_IN_TURN = """
local number, requests = 0, {{}}
function init(arguments)
    local paths, tokens = {{{paths}}}, {{{tokens}}}
    for each = 1, math.max(#paths, #tokens) do
        if #tokens > 0 then
            wrk.headers["Authorization"] = "Bearer " .. tokens[(each - 1) % #tokens + 1]
        end
        requests[each] = wrk.format("GET", paths[(each - 1) % #paths + 1])
    end
end
function request()
    number = number % #requests + 1
    return requests[number]
end
"""
_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True)
class Load:
    """A load of GET requests; `paths` are requested in turn, without a token where it is empty.

    With `tokens` each request takes the next one of them.
    """

    port: int
    paths: Sequence[str]
    token: str
    seconds: float
    connections: int = 64
    tokens: Sequence[str] = ()


@dataclass(frozen=True)
class Throughput:
    """Total responses, responses per second, and latencies as measured by wrk."""

    answers: int
    per_second: float
    p50_ms: float
    p99_ms: float


def ensure_wrk() -> None:
    """Install wrk if it is missing; raises LocalError if that fails."""
    if program("wrk"):
        return
    if os.geteuid() == 0 and program("apt-get"):
        print("[bench] Debian package: wrk", flush=True)
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for arguments in (("update",), ("-y", "--no-install-recommends", "install", "wrk")):
            subprocess.run(["apt-get", "-q", *arguments], env=environment, check=False, stdout=subprocess.DEVNULL)
    if not program("wrk"):
        raise LocalError("wrk is missing and could not be installed (as root: apt-get install wrk)")


def measure(load: Load) -> Throughput:
    """Run wrk once; raises LocalError if any response was an error."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "paths.lua"
        script.write_text(_IN_TURN.format(paths=_quoted(load.paths), tokens=_quoted(load.tokens)))
        several = ["-s", str(script)] if len(load.paths) > 1 or load.tokens else []
        duration = [f"-d{max(1, round(load.seconds))}s"]
        header = ["-H", f"Authorization: Bearer {load.token}"] if load.token else []
        url = f"http://127.0.0.1:{load.port}{load.paths[0]}"
        done = subprocess.run(
            ["wrk", "-t1", f"-c{load.connections}", *duration, "--latency", "--timeout", "10s", *header, *several, url],
            capture_output=True,
            text=True,
            check=False,
        )
    return parse(done.stdout + done.stderr)


def _quoted(texts: Sequence[str]) -> str:
    return ",".join(f'"{each}"' for each in texts)


def parse(text: str) -> Throughput:
    """Parse the output of `wrk --latency`. Raises LocalError."""
    if found := re.search(r"Non-2xx.*|Socket errors.*|unable to connect.*", text):
        raise LocalError(f"the load was not answered properly: {found[0]}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    number = re.search(r"^\s+(\d+) requests in ", text, re.MULTILINE)
    if rate is None or number is None:
        raise LocalError(f"wrk failed: {text.strip()}")
    return Throughput(int(number[1]), float(rate[1]), _latency(text, "50%"), _latency(text, "99%"))


def _latency(text: str, share: str) -> float:
    found = re.search(rf"^\s+{share}\s+([\d.]+)(us|ms|s|m) *$", text, re.MULTILINE)
    if found is None:
        raise LocalError(f"wrk printed no latency: {text.strip()}")
    return float(found[1]) * _MILLISECONDS[found[2]]
