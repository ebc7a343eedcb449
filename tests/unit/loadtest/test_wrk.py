"""Parsing of the output of wrk; a run with errors is refused."""

import pytest

from app.local.process import LocalError
from loadtest.wrk import Throughput, parse

PRINTED = """Running 1s test @ http://127.0.0.1:8000/
  1 threads and 64 connections
  Latency Distribution
     50%  901.00us
     75%    1.90ms
     90%    2.10ms
     99%    1.02s\x20
  19000 requests in 1.00s, 4.21MB read
Requests/sec:  18976.53
Transfer/sec:      4.20MB
"""


def test_rate_and_latencies_are_read_in_their_units() -> None:
    assert parse(PRINTED) == Throughput(19000, 18976.53, 0.901, 1020.0)


@pytest.mark.parametrize(
    "line",
    [
        "  Non-2xx or 3xx responses: 12",
        "  Socket errors: connect 0, read 1, write 0, timeout 0",
        "unable to connect to 127.0.0.1:8000 Connection refused",
    ],
)
def test_errors_are_refused(line: str) -> None:
    with pytest.raises(LocalError):
        parse(PRINTED + line)
