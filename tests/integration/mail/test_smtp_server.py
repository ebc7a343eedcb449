"""The SMTP server of the tests."""

import gc
import socket

import pytest

from tests.smtp import SmtpServer


def test_ending_it_ends_the_dialogues_under_way(caplog: pytest.LogCaptureFixture) -> None:
    """A task that is lost is logged when the interpreter finds it, during whatever then runs.

    Python 3.11 parses source lines to show the traceback, which fails what parses source itself at that time, such as
    the import of a module under pytest (SystemError: AST constructor recursion depth mismatch).
    """
    _leave_waiting()
    gc.collect()
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


def _leave_waiting() -> None:
    with SmtpServer() as server:
        server.behave("EHLO", "delay")
        with socket.create_connection(("127.0.0.1", server.port), 30) as client:
            assert client.recv(1000).startswith(b"220 ")
            client.sendall(b"EHLO client\r\n")
