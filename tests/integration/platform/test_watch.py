"""The request watch of the cluster tests reports no failure on a reload and few on a killed worker."""

import os
import signal
import time

from tests.e2e.platform.load.clients import Address
from tests.e2e.platform.load.searches import searching
from tests.e2e.platform.load.watch import Load, watched
from tests.pods.faults import Interval
from tests.pods.pod import Pod, wait_for

LOAD = Load(rate=400, connections=16, actors=3)
ENOUGH = 1500


def test_a_reload_fails_no_request(whole: list[Pod]) -> None:
    pod = whole[0]
    address = Address("127.0.0.1", pod.port)
    with watched(address, LOAD) as watch, searching(address) as searches:
        watch.wait_for_requests(ENOUGH)
        before = set(pod.workers())
        pod.send(signal.SIGHUP)
        wait_for(lambda: not before & set(pod.workers()) and pod.complete(), "new workers")
        watch.wait_for_calm()
    watch.assert_nothing_failed()
    searches.assert_nothing_failed()
    assert len(watch.report.workers) > 2, "new workers have answered"


def test_killed_worker_loses_only_its_running_requests(whole: list[Pod]) -> None:
    pod = whole[0]
    with watched(Address("127.0.0.1", pod.port), LOAD) as watch:
        watch.wait_for_requests(ENOUGH)
        start, victim = time.monotonic_ns(), pod.workers()[0]
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: victim not in pod.workers() and pod.complete(), "a new worker")
        watch.faults.crashes.append(Interval(start, time.monotonic_ns()))
        watch.wait_for_calm()
    watch.assert_final()
    hit = [*watch.report.failures, *watch.report.repeated]
    assert len(hit) <= LOAD.connections
    assert len({each.worker for each in hit if each.worker}) <= 1
