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
_DRAWN = """
local number, requests, order = 0, {{}}, {{}}
function init(arguments)
    local file = io.open("{requests}", "rb")
    for each in file:read("*a"):gmatch("[^%z]+") do
        table.insert(requests, each)
    end
    file:close()
    for each in io.lines("{order}") do
        table.insert(order, tonumber(each) + 1)
    end
end
function request()
    number = number % #order + 1
    return requests[order[number]]
end
"""
_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True)
class Load:
    """A load of GET requests; `paths` are requested in turn, without a token where it is empty.

    With `tokens` each request takes the next one of them. With `drawn` these requests are sent instead.
    """

    port: int
    paths: Sequence[str]
    token: str
    seconds: float
    connections: int = 64
    tokens: Sequence[str] = ()
    drawn: "Drawn | None" = None


@dataclass(frozen=True)
class Drawn:
    """Whole requests, and the numbers of those that are sent, one after the other; at the end it begins anew."""

    requests: Sequence[str]
    order: Sequence[int]

    def sent(self, count: int) -> list[str]:
        """The first `count` requests."""
        return [self.requests[self.order[number % len(self.order)]] for number in range(count)]


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
        script = Path(folder) / "requests.lua"
        script.write_text(_script(load, Path(folder)))
        several = ["-s", str(script)] if len(load.paths) > 1 or load.tokens or load.drawn else []
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


def _script(load: Load, folder: Path) -> str:
    if load.drawn is None:
        return _IN_TURN.format(paths=_quoted(load.paths), tokens=_quoted(load.tokens))
    requests, order = folder / "requests", folder / "order"
    requests.write_bytes(b"\0".join(each.encode() for each in load.drawn.requests))
    order.write_text("\n".join(map(str, load.drawn.order)))
    return _DRAWN.format(requests=requests, order=order)


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
