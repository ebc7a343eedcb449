"""A request that HAProxy or nginx forwards is never read as two."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conformance.cases import Case
from tests.integration.conformance.forwarding import forward
from tests.integration.conformance.proxies import MARK, PROXIES, Proxy, Tap, in_front_of, program
from tests.integration.conformance.servers import OURS, eventually, running
from tests.integration.conformance.table import CASES

ANSWER = b"HTTP/1.1 200 OK\r\nServer: jobfinder\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture(scope="module", params=PROXIES)
def proxy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    if program(request.param) is None:
        pytest.skip(f"{request.param} is not installed (as root: apt-get install haproxy nginx)")
    folder: Path = tmp_path_factory.mktemp("proxy")
    with running(OURS, folder) as worker, in_front_of(worker, request.param, folder) as started:
        yield started


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_forwarded_request_is_never_read_as_two(proxy: Proxy, case: Case) -> None:
    assert forward(case, proxy).wrongs == ()


def test_tap_counts_a_second_response() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        tap = Tap(listener.getsockname())

        def answer_twice() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(ANSWER * 2)

        worker = threading.Thread(target=answer_twice)
        worker.start()
        with socket.create_connection(tap.address) as client:
            client.sendall(f"GET / HTTP/1.1\r\n{MARK}: {'0' * 32}\r\n\r\n".encode())
            worker.join()
            eventually(lambda: len(tap.streams[0].answered) == 2 * len(ANSWER), lambda: "both answers")
        tap.close()
    tap.streams[0].count()
    assert (tap.streams[0].forwarded_count, tap.streams[0].answer_count) == (1, 2)
