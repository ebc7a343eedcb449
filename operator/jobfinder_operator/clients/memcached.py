"""memcached over its text protocol: reads statistics, and changes the memory limit of a running server."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from jobfinder_operator.deciding.memory import MEGABYTE

_LINE_MAX = 2048


class MemcachedError(Exception):
    """A server did not reply in time, or rejected the command."""


@dataclass(frozen=True)
class CacheReading:
    """Sizes in bytes; `hits`, `misses` and `evictions` count since the server started, `uptime_seconds` ago."""

    limit_bytes: int
    used_bytes: int
    items: int
    hits: int
    misses: int
    evictions: int
    uptime_seconds: int
    connections: int
    connections_max: int


async def read(host: str, port: int, timeout_s: float) -> CacheReading:
    """The server's statistics; raises MemcachedError."""
    found = await _stats(host, port, b"stats", timeout_s)
    try:
        return CacheReading(
            limit_bytes=int(found["limit_maxbytes"]),
            used_bytes=int(found["bytes"]),
            items=int(found["curr_items"]),
            hits=int(found["get_hits"]),
            misses=int(found["get_misses"]),
            evictions=int(found["evictions"]),
            uptime_seconds=int(found["uptime"]),
            connections=int(found["curr_connections"]),
            connections_max=int(found.get("max_connections", 0)),
        )
    except (KeyError, ValueError) as error:
        raise MemcachedError(f"{host}:{port}: unexpected statistics: {error}") from error


async def set_memory(host: str, port: int, megabytes: int, timeout_s: float) -> None:
    """Limit the memory for items and read the limit back; raises MemcachedError if it is not applied."""
    async with _connected(host, port, timeout_s) as (reader, writer):
        writer.write(b"cache_memlimit %d\r\n" % megabytes)
        answer = (await reader.readline()).strip()
    if answer != b"OK":
        raise MemcachedError(f"{host}:{port} refuses {megabytes} MB: {answer.decode('ascii', 'replace')}")
    told = int((await _stats(host, port, b"stats settings", timeout_s)).get("maxbytes", "0"))
    if told != megabytes * MEGABYTE:
        raise MemcachedError(f"{host}:{port} was told {megabytes} MB and says {told // MEGABYTE} MB")


async def _stats(host: str, port: int, command: bytes, timeout_s: float) -> Mapping[str, str]:
    found: dict[str, str] = {}
    async with _connected(host, port, timeout_s) as (reader, writer):
        writer.write(command + b"\r\n")
        while (line := (await reader.readline()).split()) and line[0] == b"STAT":
            found[line[1].decode("ascii")] = line[2].decode("ascii", "replace") if len(line) > 2 else ""
    if line != [b"END"]:
        raise MemcachedError(f"{host}:{port}: {command.decode()} was answered {b' '.join(line)!r}")
    return found


@asynccontextmanager
async def _connected(
    host: str, port: int, timeout_s: float
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection for one exchange of at most `timeout_s`; raises MemcachedError."""
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(
                host, port, limit=_LINE_MAX, happy_eyeballs_delay=timeout_s / 4
            )
            try:
                yield reader, writer
            finally:
                writer.close()
    except TimeoutError as error:
        raise MemcachedError(f"{host}:{port}: no answer within {timeout_s:g} s") from error
    except (OSError, ValueError) as error:
        raise MemcachedError(f"{host}:{port}: {error}") from error
