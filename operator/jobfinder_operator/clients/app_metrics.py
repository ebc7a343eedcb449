"""Reads the series that the operator uses from /metrics of the service in a pod."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass

_MAX_BYTES = 4 * 1024 * 1024
_WANTED = (
    "tuning_generation",
    "tuning_refused",
    "cache_hits_total",
    "cache_misses_total",
    "users_cached",
    "sessions_ended",
    "resident_bytes",
)
_SERIES = re.compile(rf"^jobfinder_({'|'.join(_WANTED)})(?:\{{([^}}]*)\}})? (\S+)", re.MULTILINE)
_WORKER = re.compile(r'worker="(\d+)"')


class AppMetricsError(Exception):
    """The service of a pod did not respond in time, or the response is not its metrics."""


@dataclass(frozen=True)
class AppMetrics:
    """`generations` and `refusals` by worker: the tuning generation it applied, and how many files it refused."""

    generations: Mapping[int, int]
    refusals: Mapping[int, int]
    cache_hits: int
    cache_misses: int
    users_cached: int
    sessions_ended: int
    resident_bytes: int


async def read(host: str, port: int, timeout_s: float) -> AppMetrics:
    """Ask the pod at the address `host`; raises AppMetricsError."""
    try:
        async with asyncio.timeout(timeout_s):
            return parse(await _fetch(host, port))
    except TimeoutError as error:
        raise AppMetricsError(f"{host}:{port}: no answer within {timeout_s:g} s") from error
    except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
        raise AppMetricsError(f"{host}:{port}: {error}") from error


def parse(text: str) -> AppMetrics:
    """Read the text format of Prometheus; raises ValueError when the service's series are not in it."""
    series: dict[str, dict[int, float]] = {name: {} for name in _WANTED}
    for name, labels, value in _SERIES.findall(text):
        worker = _WORKER.search(labels)
        series[name][int(worker[1]) if worker else -1] = float(value)
    if not series["tuning_generation"]:
        raise ValueError("jobfinder_tuning_generation is missing")
    return AppMetrics(
        generations={worker: int(value) for worker, value in series["tuning_generation"].items()},
        refusals={worker: int(value) for worker, value in series["tuning_refused"].items()},
        cache_hits=_total(series, "cache_hits_total"),
        cache_misses=_total(series, "cache_misses_total"),
        users_cached=_total(series, "users_cached"),
        sessions_ended=_total(series, "sessions_ended"),
        resident_bytes=_total(series, "resident_bytes"),
    )


def _total(series: Mapping[str, Mapping[int, float]], name: str) -> int:
    return int(sum(series[name].values()))


async def _fetch(host: str, port: int) -> str:
    """Uses HTTP/1.0, so the body ends when the connection closes."""
    reader, writer = await asyncio.open_connection(host, port, limit=_MAX_BYTES)
    try:
        authority = f"[{host}]" if ":" in host else host
        writer.write(f"GET /metrics HTTP/1.0\r\nHost: {authority}\r\nAccept: text/plain\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        body = await _rest(reader)
    finally:
        writer.close()
    status = head.split(b" ", 2)[1:2]
    if status != [b"200"]:
        raise ValueError(f"/metrics was answered {head.splitlines()[0].decode('ascii', 'replace')!r}")
    return body.decode()


async def _rest(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while chunk := await reader.read(65_536):
        body += chunk
        if len(body) > _MAX_BYTES:
            raise ValueError(f"/metrics is longer than {_MAX_BYTES} bytes")
    return bytes(body)
