"""Links that are slow or cut."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.links import FAIR, Links, Weather


@pytest.fixture
def target(tmp_path: Path) -> Iterator[socket.socket]:
    """A listening socket."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "target"))
        listener.listen()
        listener.settimeout(30)
        yield listener


@pytest.fixture
def links(tmp_path: Path, target: socket.socket) -> Iterator[Links]:
    (tmp_path / "links").mkdir()
    with Links(tmp_path / "links", {"only": tmp_path / "target"}) as running:
        yield running


def joined(links: Links, target: socket.socket) -> tuple[socket.socket, socket.socket]:
    """Both ends of a connection through the link."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(30)
    client.connect(str(links.at("only")))
    return client, target.accept()[0]


def silent(end: socket.socket) -> bool:
    """Whether nothing comes for a moment."""
    end.settimeout(0.2)
    try:
        end.recv(1)
    except TimeoutError:
        return True
    finally:
        end.settimeout(30)
    return False


def test_data_of_a_cut_link_come_when_it_is_mended(links: Links, target: socket.socket) -> None:
    client, server = joined(links, target)
    with client, server:
        links.become("only", Weather(cut=True))
        client.sendall(b"request")
        assert silent(server)
        links.become("only", FAIR)
        assert server.recv(100) == b"request"
        server.sendall(b"answer")
        assert client.recv(100) == b"answer"


def test_an_end_is_passed_on(links: Links, target: socket.socket) -> None:
    client, server = joined(links, target)
    with client, server:
        server.close()
        assert client.recv(1) == b""


def test_a_link_is_cut_for_the_named_sessions_alone(links: Links, target: socket.socket) -> None:
    client, server = joined(links, target)
    with client, server:
        links.become("only", Weather(cut=True, sessions=(1,)))
        client.sendall(b"request")
        assert server.recv(100) == b"request"


def test_a_slow_message_waits_for_its_delay_and_its_size() -> None:
    assert FAIR.wait_s(1000) == 0
    assert Weather(delay_ms=50, bytes_per_s=1000).wait_s(500) == pytest.approx(0.55)
