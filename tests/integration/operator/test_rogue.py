"""A server at a pod's address that is not its PgBouncer does not learn the operator's password."""

import asyncio
import hashlib
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2
import pytest

from jobfinder_operator.clients.pgbouncer import ConsoleAccount, ConsoleError, connect
from tests.certificates import SERVER_NAME, Authority

PASSWORD = "the password of the operator"
SALT = b"salt"
AUTHENTICATIONS = {  # https://www.postgresql.org/docs/current/protocol-message-formats.html
    "none": struct.pack("!cii", b"R", 8, 0) + struct.pack("!cic", b"Z", 5, b"I"),
    "cleartext": struct.pack("!cii", b"R", 8, 3),
    "md5": struct.pack("!cii", b"R", 12, 5) + SALT,
}


@dataclass
class Rogue:
    """A fake PgBouncer that requests the password with `authentication`; without TLS if `tls` is None."""

    authentication: str
    tls: ssl.SSLContext | None
    heard: bytes = b""
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def answer(self) -> None:
        """Serve one client."""
        connection, _ = self.listener.accept()
        connection.settimeout(10)
        with suppress(OSError), connection:
            self.heard += connection.recv(8)  # a request for TLS
            connection.sendall(b"S" if self.tls else b"N")
            secured = self.tls.wrap_socket(connection, server_side=True) if self.tls else connection
            with secured:
                if start := secured.recv(4096):
                    self.heard += start
                    secured.sendall(AUTHENTICATIONS[self.authentication])
                    self.heard += secured.recv(4096)


@contextmanager
def listening(authentication: str, tls: ssl.SSLContext | None) -> Iterator[Rogue]:
    rogue = Rogue(authentication, tls)
    thread = threading.Thread(target=rogue.answer)
    thread.start()
    yield rogue
    thread.join(20)
    rogue.listener.close()
    assert not thread.is_alive()


def server_side(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    return context


def learned(heard: bytes) -> bool:
    inner = hashlib.md5(f"{PASSWORD}operator".encode()).hexdigest().encode()  # noqa: S324 - PostgreSQL's old way
    told = b"md5" + hashlib.md5(inner + SALT).hexdigest().encode()  # noqa: S324
    return PASSWORD.encode() in heard or told in heard


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def enter(rogue: Rogue, ca: Path) -> None:
    account = ConsoleAccount("operator", PASSWORD, str(ca), SERVER_NAME, rogue.port)
    asyncio.run(connect("127.0.0.1", account, 5)).close()


@pytest.mark.parametrize("authentication", ["cleartext", "md5"])
def test_client_without_tls_tells_the_rogue_its_password(authentication: str) -> None:
    with listening(authentication, None) as rogue, pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(host="127.0.0.1", port=rogue.port, user="operator", password=PASSWORD, dbname="pgbouncer")
    assert learned(rogue.heard)


@pytest.mark.parametrize("authentication", AUTHENTICATIONS)
def test_rogue_without_tls_gets_only_the_ssl_request(authority: Authority, tmp_path: Path, authentication: str) -> None:
    ca = authority.write(tmp_path) / "ca.crt"
    with listening(authentication, None) as rogue, pytest.raises(ConsoleError, match="SSL"):
        enter(rogue, ca)
    assert rogue.heard == struct.pack("!ii", 8, 80877103)  # SSLRequest


@pytest.mark.parametrize("server_name", [SERVER_NAME, "another-pgbouncer"])
def test_rogue_with_a_wrong_certificate_gets_only_the_ssl_request(
    authority: Authority, tmp_path: Path, server_name: str
) -> None:
    ca = authority.write(tmp_path) / "ca.crt"
    signer = Authority() if server_name == SERVER_NAME else authority
    tls = server_side(signer.write(tmp_path / "rogue", server_name))
    with listening("cleartext", tls) as rogue, pytest.raises(ConsoleError, match=r"certificate|SSL error"):
        enter(rogue, ca)
    assert len(rogue.heard) == 8


@pytest.mark.parametrize("authentication", AUTHENTICATIONS)
def test_rogue_with_a_stolen_certificate_gets_no_password(
    authority: Authority, tmp_path: Path, authentication: str
) -> None:
    folder = authority.write(tmp_path)
    with listening(authentication, server_side(folder)) as rogue, pytest.raises(ConsoleError, match="authentication"):
        enter(rogue, folder / "ca.crt")
    assert b"operator" in rogue.heard  # the user name was sent
    assert not learned(rogue.heard)
    assert rogue.heard.endswith(b"\0\0")  # nothing follows the startup packet
