"""Changing the memory limit of a running memcached."""

import asyncio

import pytest

from app.local.memcached import Memcached
from jobfinder_operator.act import settle_memory
from jobfinder_operator.clients import memcached
from jobfinder_operator.clients.memcached import CacheReading, MemcachedError
from jobfinder_operator.deciding.memory import MEGABYTE
from jobfinder_operator.deciding.snapshot import MemcachedSeen

TIMEOUT_S = 2.0


def port(server: Memcached) -> int:
    assert server.port is not None
    return server.port


def read(server: Memcached) -> CacheReading:
    return asyncio.run(memcached.read("127.0.0.1", port(server), TIMEOUT_S))


def test_reading_counts_misses(server: Memcached) -> None:
    before = read(server)
    server.ask(b"get nothing")
    after = read(server)
    assert after.misses == before.misses + 1
    assert after.connections_max == 4096


def test_memory_limit_changes_live_and_is_read_back(server: Memcached) -> None:
    for megabytes in (96, 32, 64):
        asyncio.run(memcached.set_memory("127.0.0.1", port(server), megabytes, TIMEOUT_S))
        assert read(server).limit_bytes == megabytes * MEGABYTE


def test_paused_memcached_times_out(server: Memcached) -> None:
    server.pause()
    try:
        with pytest.raises(MemcachedError, match=r"no answer within 0\.2 s"):
            asyncio.run(memcached.read("127.0.0.1", port(server), 0.2))
        with pytest.raises(MemcachedError, match=r"no answer within 0\.2 s"):
            asyncio.run(memcached.set_memory("127.0.0.1", port(server), 32, 0.2))
    finally:
        server.resume()


def test_dead_memcached_raises_memcached_error(server: Memcached) -> None:
    server.stop()
    try:
        with pytest.raises(MemcachedError, match=r"127\.0\.0\.1"):
            read(server)
    finally:
        server.start()


def test_memory_above_the_container_limit_is_not_set(server: Memcached) -> None:
    seen = MemcachedSeen("m-0", limit_bytes=read(server).limit_bytes, container_limit_bytes=128 * MEGABYTE)
    hosts = {"m-0": "127.0.0.1"}
    assert asyncio.run(settle_memory([seen], hosts, 103, port(server), TIMEOUT_S)) == []
    assert asyncio.run(settle_memory([seen], hosts, 80, port(server), TIMEOUT_S)) == ["m-0 64 -> 80 MB"]
    assert read(server).limit_bytes == 80 * MEGABYTE
