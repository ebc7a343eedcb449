"""Connecting to a name with several addresses finds the one that answers, within one timeout."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.config import DatabaseTuning
from app.errors import ConfigError
from app.infra.cooperative import first_to_connect, sockets
from app.infra.memcache.client import Memcache
from app.infra.postgres.database import Database
from app.local.memcached import Memcached
from app.local.postgres import ROLE, Postgres
from jobfinder_operator.clients import memcached as operators_memcached
from tests.relay import Relay

NAME = "server.test"
CLOSED = "127.0.0.9"
Addresses = Callable[..., None]


@pytest.fixture
def addresses(monkeypatch: pytest.MonkeyPatch) -> Addresses:
    """A function that sets the addresses, in order, to which NAME resolves."""
    real = socket.getaddrinfo

    def give(*found: str) -> None:
        def getaddrinfo(host: Any, port: Any, *args: Any, **named: Any) -> list[Any]:
            name = host.decode() if isinstance(host, bytes) else host
            if name != NAME:
                return real(host, port, *args, **named)
            if len(args) > 3 and args[-1] & socket.AI_NUMERICHOST:
                raise socket.gaierror(socket.EAI_NONAME, "no address")
            return [each for address in found for each in real(address, port, type=socket.SOCK_STREAM)]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    return give


@pytest.fixture(scope="module")
def cache_port() -> Iterator[int]:
    """The port of a memcached on 127.0.0.1."""
    with Memcached(port=0) as server:
        yield int(server.address.rpartition(":")[2])


@pytest.fixture
def silent() -> Iterator[tuple[str, int]]:
    """An address that neither accepts nor refuses connections, because its accept queue is full."""
    with (
        socket.create_server(("127.0.0.8", 0), backlog=0) as listener,
        socket.socket() as first,
        socket.socket() as next_,
    ):
        for each in (first, next_):
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        yield listener.getsockname()


@pytest.mark.parametrize("others", [("::1",), (CLOSED,), ("::1", CLOSED)], ids=" ".join)
def test_memcached_is_found_behind_addresses_that_refuse(
    cache_port: int, addresses: Addresses, others: tuple[str, ...]
) -> None:
    addresses(*others, "127.0.0.1")
    cache = Memcache((f"{NAME}:{cache_port}",), 2000)
    assert cache.set("found", b"1", 60)
    cache.close()


@pytest.mark.parametrize("others", [("::1",), (CLOSED,)], ids=" ".join)
def test_postgresql_is_found_behind_addresses_that_refuse(
    postgres: Postgres, addresses: Addresses, others: tuple[str, ...]
) -> None:
    addresses(*others, "127.0.0.1")
    with Relay(f"{postgres.sockets}/.s.PGSQL.{postgres.port}") as relay:
        database = Database(f"postgresql://{ROLE}@{NAME}:{relay.port}/postgres", DatabaseTuning())
        assert database.one("SELECT 1") == (1,)
        database.close()


def test_the_operator_finds_memcached_behind_addresses_that_refuse(cache_port: int, addresses: Addresses) -> None:
    addresses("::1", CLOSED, "127.0.0.1")
    assert asyncio.run(operators_memcached.read(NAME, cache_port, 5)).limit_bytes


def test_silent_address_leaves_time_for_the_next(addresses: Addresses, silent: tuple[str, int]) -> None:
    with socket.create_server(("127.0.0.1", silent[1])):
        addresses(silent[0], "127.0.0.1")
        shares: list[float] = []

        def connect(address: str, seconds: float) -> str:
            shares.append(seconds)
            with sockets.Socket(socket.AF_INET, socket.SOCK_STREAM) as client:
                client.settimeout(seconds)
                client.connect((address, silent[1]))
            return address

        assert first_to_connect(NAME, silent[1], 1.0, connect) == "127.0.0.1"
        assert shares[0] <= 0.5
        assert sum(shares) <= 1.01


def test_last_error_is_raised_when_no_address_answers(addresses: Addresses) -> None:
    addresses("127.0.0.7", CLOSED)

    def connect(address: str, seconds: float) -> str:
        raise ConnectionRefusedError(address)

    with pytest.raises(ConnectionRefusedError, match=CLOSED):
        first_to_connect(NAME, 1, 1.0, connect)


@pytest.mark.parametrize("dsn", ["host=a,b dbname=x", "postgresql://a,b/x", "host=a hostaddr=127.0.0.1,127.0.0.2"])
def test_several_hosts_are_refused(dsn: str) -> None:
    with pytest.raises(ConfigError, match="several hosts"):
        Database(dsn, DatabaseTuning())
