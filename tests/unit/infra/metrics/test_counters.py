"""Shared counters that several processes and threads write, and that survive the exit of a worker."""

import os
import sys
import threading
from collections.abc import Callable, Iterator

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from app.infra.metrics.counters import OPERATIONS_MAX, REFUSED, Counters
from app.infra.metrics.exposition import CountersCollector

ROUTES = [("", ""), ("GET", "/api/v1/users/me"), ("POST", "/api/v1/auth/login")]
GET, POST = 1, 2
SLOTS = 8


@pytest.fixture
def counters() -> Counters:
    return Counters.create(ROUTES, SLOTS)


@pytest.fixture
def frequent_switches() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def in_child(work: Callable[[], object]) -> None:
    """Run `work` in a process of its own and wait for its end."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_requests_are_counted_by_route_and_class_of_status(counters: Counters) -> None:
    for status in (200, 204, 304, 404, 422, 500, 503, 503):
        counters.record(GET, status, 0.001)
    snapshot = counters.snapshot()
    route = snapshot.routes[GET]
    assert (route.method, route.template) == ROUTES[GET]
    assert tuple(route.statuses) == (0, 2, 1, 2, 3)
    assert (route.count, route.errors, route.client_errors) == (8, 3, 2)
    assert route.seconds == pytest.approx(0.008)
    assert snapshot.routes[POST].count == 0
    assert snapshot.total.count == 8


@pytest.mark.usefixtures("frequent_switches")
def test_no_request_is_lost_between_threads(counters: Counters) -> None:
    def work() -> None:
        for _ in range(20_000):
            counters.record(POST, 200, 0.002)
            counters.add("cache_hits")

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    snapshot = counters.snapshot()
    assert snapshot.routes[POST].count == sum(snapshot.routes[POST].buckets) == 120_000
    assert snapshot.counters["cache_hits"] == 120_000


def test_counts_of_a_dead_worker_are_kept_and_its_slot_is_reused(counters: Counters) -> None:
    slots: list[int] = []

    def work() -> None:
        counters.claim()
        counters.record(GET, 200, 0.001)
        counters.gauge("tuning_generation", 7)

    for _ in range(SLOTS + 5):
        in_child(work)
    slots.append(counters.claim())
    snapshot = counters.snapshot()
    assert slots == [0]
    assert snapshot.routes[GET].count == SLOTS + 5
    assert snapshot.gauges["tuning_generation"] == {0: 0.0}


def test_concurrent_workers_have_different_slots(counters: Counters) -> None:
    mine = counters.claim()
    reader, writer = os.pipe()
    in_child(lambda: os.write(writer, b"%d" % counters.claim()))
    assert int(os.read(reader, 10)) != mine
    os.close(reader)
    os.close(writer)


def test_a_slot_can_be_claimed_by_number(counters: Counters) -> None:
    assert counters.claim(5) == 5
    counters.gauge("resident_bytes", 42)
    assert counters.snapshot().gauges["resident_bytes"] == {5: 42.0}


def test_operations_are_counted_by_name_in_all_workers(counters: Counters) -> None:
    counters.operated("Search", 200, 0.001)

    def work() -> None:
        counters.claim(1)
        counters.operated("Apply", 503, 0.001)
        counters.operated("Search", 404, 0.1)

    in_child(work)
    counters.operated("Apply", 200, 0.001)
    counters.operated(None, 200, 0.001)
    counters.operated(REFUSED, 400, 0.001)
    found = {each.template: tuple(each.statuses[1:]) for each in counters.snapshot().operations if each.count}
    assert found == {
        "Search": (1, 0, 1, 0), "Apply": (1, 0, 0, 1), "unnamed": (1, 0, 0, 0), "none": (0, 0, 1, 0),
    }  # fmt: skip


def test_further_and_long_names_of_operations_are_counted_as_other(counters: Counters) -> None:
    for number in range(OPERATIONS_MAX + 5):
        counters.operated(f"Op{number}", 200, 0.001)
        counters.operated("X" * (64 + number), 200, 0.001)
    found = {each.template: each.count for each in counters.snapshot().operations}
    assert len(found) == OPERATIONS_MAX + 3
    assert found["other"] == 5 + OPERATIONS_MAX + 5
    assert found["Op0"] == found[f"Op{OPERATIONS_MAX - 1}"] == 1


def test_unknown_name_raises_key_error(counters: Counters) -> None:
    with pytest.raises(KeyError):
        counters.add("no such counter")
    with pytest.raises(KeyError):
        counters.gauge("no such gauge", 1)


def test_prometheus_reads_sums_and_gauges_of_each_worker(counters: Counters) -> None:
    counters.claim(3)
    counters.record(GET, 200, 0.0011)
    counters.record(GET, 503, 20.0)
    counters.record(POST, 401, 0.1)
    counters.add("cache_misses", 4)
    counters.add("fact_hits:user", 3)
    counters.add("fact_hits:job", 2)
    counters.searched("walk", 0.0011)
    counters.operated("Search", 404, 0.0011)
    counters.gauge("tuning_generation", 2)
    registry = CollectorRegistry()
    registry.register(CountersCollector(counters))
    lines = generate_latest(registry).decode().splitlines()
    labels = 'method="GET",route="/api/v1/users/me"'
    name = "jobfinder_http_request_duration_seconds"
    for line in (
        f'jobfinder_http_requests_total{{{labels},status="2xx"}} 1.0',
        f'jobfinder_http_requests_total{{{labels},status="5xx"}} 1.0',
        'jobfinder_http_requests_total{method="POST",route="/api/v1/auth/login",status="5xx"} 0.0',
        f'{name}_bucket{{le="0.001",{labels}}} 0.0',
        f'{name}_bucket{{le="0.0016",{labels}}} 1.0',
        f'{name}_bucket{{le="+Inf",{labels}}} 2.0',
        f"{name}_count{{{labels}}} 2.0",
        "jobfinder_cache_misses_total 4.0",
        "jobfinder_cache_hits_total 5.0",
        'jobfinder_fact_hits_total{kind="user"} 3.0',
        'jobfinder_fact_hits_total{kind="search"} 0.0',
        'jobfinder_search_duration_seconds_bucket{kind="walk",le="0.0016"} 1.0',
        'jobfinder_search_duration_seconds_count{kind="cached"} 0.0',
        'jobfinder_graphql_operations_total{operation="Search",status="4xx"} 1.0',
        'jobfinder_graphql_operations_total{operation="Search",status="5xx"} 0.0',
        'jobfinder_graphql_operation_duration_seconds_bucket{le="0.0016",operation="Search"} 1.0',
        'jobfinder_tuning_generation{worker="3"} 2.0',
    ):
        assert line in lines
