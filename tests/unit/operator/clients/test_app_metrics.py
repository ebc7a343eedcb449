"""Reading the metrics of a pod that the operator needs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from jobfinder_operator.clients import app_metrics
from jobfinder_operator.clients.app_metrics import AppMetrics, AppMetricsError

TEXT = """\
# HELP jobfinder_tuning_generation the tuning file's own number
# TYPE jobfinder_tuning_generation gauge
jobfinder_tuning_generation{worker="0"} 7.0
jobfinder_tuning_generation{worker="1"} 6.0
jobfinder_tuning_refused{worker="0"} 0.0
jobfinder_tuning_refused{worker="1"} 2.0
jobfinder_cache_hits_total 90.0
jobfinder_cache_misses_total 1e+01
jobfinder_users_cached{worker="0"} 5.0
jobfinder_users_cached{worker="1"} 6.0
jobfinder_tuning_generation_else{worker="1"} 60.0
"""


@asynccontextmanager
async def service(answer: bytes, *, ends: bool = True) -> AsyncIterator[int]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        if ends:
            writer.close()
        else:
            await asyncio.sleep(30)

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def ask(answer: bytes, *, ends: bool = True, timeout_s: float = 5) -> AppMetrics:
    async def run() -> AppMetrics:
        async with service(answer, ends=ends) as port:
            return await app_metrics.read("127.0.0.1", port, timeout_s)

    return asyncio.run(run())


def test_generations_are_read_by_worker_and_other_series_are_summed() -> None:
    found = ask(f"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n{TEXT}".encode())
    assert (found.generations, found.refusals) == ({0: 7, 1: 6}, {0: 0, 1: 2})
    assert (found.cache_hits, found.cache_misses, found.users_cached) == (90, 10, 11)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "503"),
        (b"HTTP/1.1 200 OK\r\n\r\nother_metric 1\n", "jobfinder_tuning_generation is missing"),
        (b"", "read"),
    ],
)
def test_bad_answer_raises_app_metrics_error(answer: bytes, reason: str) -> None:
    with pytest.raises(AppMetricsError, match=reason):
        ask(answer)


def test_slow_answer_times_out() -> None:
    with pytest.raises(AppMetricsError, match=r"no answer within 0\.2 s"):
        ask(b"HTTP/1.1 200 OK\r\n\r\n", ends=False, timeout_s=0.2)


@pytest.mark.parametrize(("host", "authority"), [("127.0.0.1", b"127.0.0.1"), ("::1", b"[::1]")])
def test_host_header_has_brackets_around_ipv6_addresses(host: str, authority: bytes) -> None:
    """RFC 3986, 3.2.2: the service refuses a Host without the brackets."""
    asked: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + TEXT.encode())
        writer.close()

    async def exchange() -> None:
        server = await asyncio.start_server(handle, host, 0)
        async with server:
            await app_metrics.read(host, server.sockets[0].getsockname()[1], 5)

    asyncio.run(exchange())
    assert b"Host: " + authority + b"\r\n" in asked[0]
