"""Latencies by kind and window, what is kept of failures, and how often chores are done."""

from loadtest.soak.record import EXAMPLES, Kind, Record
from loadtest.soak.results import requests
from loadtest.soak.schedule import Schedule

READ, WRITE = Kind("profile", "reads"), Kind("change", "writes")


def test_windows_have_the_percentiles_of_their_own_requests() -> None:
    record = Record()
    for ms in range(1, 101):
        record.answered(READ, float(ms))
    record.window(10.0)
    record.answered(READ, 7.0)
    record.window(20.0)
    first, second = record.windows["reads"]
    assert (first.at, first.requests, first.p50_ms, first.p99_ms) == (10.0, 100, 50.0, 99.0)
    assert (second.at, second.requests, second.p99_ms) == (20.0, 1, 7.0)


def test_kinds_count_refusals_and_failures() -> None:
    record = Record()
    record.answered(READ, 1.0)
    record.answered(READ, 2.0, refused=410)
    record.failed(WRITE, "503")
    read, change = requests(record, 10.0)
    assert (read.number, read.per_second, read.refused, read.failed) == (2, 0.2, 1, 0)
    assert (change.number, change.failed, change.p99_ms) == (1, 1, None)
    assert (record.requests, record.failures, record.examples) == (3, 1, ["change: 503"])


def test_examples_are_few() -> None:
    record = Record()
    for number in range(100):
        record.failed(READ, str(number))
    assert (len(record.examples), record.failures) == (EXAMPLES, 100)


def test_tokens_expire_and_keys_rotate_in_short_and_long_tests() -> None:
    short, long = Schedule(360, 150), Schedule(7200, 150)
    assert (short.token_s, long.token_s) == (45, 900)
    assert all(each.seconds > 2 * each.token_s for each in (short, long))
    assert all(each.sample_every_s * 300 >= each.seconds for each in (short, long))
