"""Probes report a stuck loop, even if it is the event loop itself."""

import http.client
import socket

import pytest

from jobfinder_operator.reporting.health import HealthServer, Pulse


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def ask(server: HealthServer, path: str, host: str = "127.0.0.1") -> tuple[int, str]:
    connection = http.client.HTTPConnection(host, server.port, timeout=5)
    connection.request("GET", path)
    answer = connection.getresponse()
    found = answer.status, answer.read().decode()
    connection.close()
    return found


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="the kernel has no IPv6")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_probes_answer_over_ipv4_and_ipv6(host: str) -> None:
    server = HealthServer(Pulse(), 0)
    try:
        assert ask(server, "/healthz", host) == (200, "ok\n")
    finally:
        server.close()


def test_the_probes_over_http() -> None:
    clock = Clock()
    pulse = Pulse(clock)
    server = HealthServer(pulse, 0)
    try:
        assert ask(server, "/readyz") == (503, "starting\n")
        pulse.ready = True
        assert ask(server, "/readyz") == (200, "ready\n")
        pulse.beat("loop of a", 60)
        pulse.beat("the Lease", 20)
        assert ask(server, "/healthz") == (200, "ok\n")
        clock.now = 30
        assert ask(server, "/healthz") == (503, "the Lease has not come around for 30 s\n")
        pulse.beat("the Lease", 20)
        clock.now = 70
        pulse.beat("the Lease", 20)
        assert ask(server, "/healthz") == (503, "loop of a has not come around for 70 s\n")
        pulse.forget("loop of a")
        assert ask(server, "/healthz") == (200, "ok\n")
        assert ask(server, "/else")[0] == 404
    finally:
        server.close()
