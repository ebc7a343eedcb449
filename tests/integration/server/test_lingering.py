"""Clients that have their response and do not close the connection."""

from pathlib import Path

from tests.integration.server.serving import connect, serving

LINGERING = 40


def test_lingering_clients_do_not_delay_others(worker: str, folder: Path) -> None:
    """If the loop waited for each of them, the last response would exceed the client's timeout."""
    with serving(worker, folder) as server:
        assert server.address is not None
        (before,) = server.workers()
        silent = [connect(server.address) for _ in range(LINGERING)]
        for each in silent:
            assert each.get("/pid", "Connection: close\r\n").json() == before
        assert server.get("/pid").json() == before
        for each in silent:
            assert each.rest() == b""
            each.close()


def test_last_response_is_complete_although_the_client_keeps_sending(worker: str, folder: Path) -> None:
    with serving(worker, folder) as server:
        assert server.address is not None
        connection = connect(server.address)
        request = "GET /pid HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
        connection.send(request * 20)
        assert connection.response().json() == server.workers()[0]
        connection.close()
