"""Services of each worker class, shared by all tests that do not stop them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.server.serving import Connection, Server, serving

WORKERS = ("meinheld", "gthread")


@pytest.fixture(scope="session", params=WORKERS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service with one worker of each class, and short limits."""
    folder = tmp_path_factory.mktemp("server")
    with serving(request.param, folder, header_timeout=2, body_timeout=2, body_limit=100_000) as running:
        yield running


@pytest.fixture(scope="session")
def greenlets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service with one meinheld worker."""
    with serving("meinheld", tmp_path_factory.mktemp("greenlets")) as running:
        yield running


@pytest.fixture(params=WORKERS)
def worker(request: pytest.FixtureRequest) -> str:
    """Each worker class in turn, for tests that start their own service."""
    return str(request.param)


@pytest.fixture
def connection(server: Server) -> Iterator[Connection]:
    opened = server.connect()
    yield opened
    opened.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path
