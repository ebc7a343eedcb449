"""Clients that have their answer and do not hang up."""

from pathlib import Path

from tests.integration.server.serving import connect, serving

LINGERING = 40


def test_clients_that_do_not_hang_up_keep_nobody_waiting(worker: str, folder: Path) -> None:
    """Were each waited for in the loop, the last answer would come after the patience of the client."""
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


def test_a_client_that_sends_on_after_its_last_answer_still_gets_all_of_it(worker: str, folder: Path) -> None:
    with serving(worker, folder) as server:
        assert server.address is not None
        connection = connect(server.address)
        request = "GET /pid HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
        connection.send(request * 20)
        assert connection.response().json() == server.workers()[0]
        connection.close()
