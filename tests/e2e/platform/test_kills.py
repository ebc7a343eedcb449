"""Killed processes cause only 503s with Retry-After, besides the lost requests that a killed worker was answering."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.platform.load.audit import audit
from tests.e2e.platform.load.processes import first_process, kill, stop, workers
from tests.e2e.platform.load.report import NO_ANSWER
from tests.e2e.platform.load.watch import Load, Watch, watched
from tests.e2e.platform.release import Pod, Release
from tests.pods.faults import Interval
from tests.pods.pod import wait_for

LOAD = Load(rate=500, connections=32, actors=4)
CALM = 1500


@pytest.fixture
def calm(release: Release) -> Release:
    """The release, once it has recovered from earlier tests."""
    release.wait_until_healthy()
    return release


@contextmanager
def under_load(release: Release, what: str) -> Iterator[Watch]:
    """Run load during the block, and until `CALM` requests in a row got the expected response and health is ok."""
    with watched(release.address(), LOAD) as watch:
        watch.wait_for_calm(500)
        with watch.phase(what):
            yield watch
            wait_for(lambda: release.health() == "ok", "health ok")
            watch.wait_for_calm(CALM)
    release.wait_until_healthy()
    audit(release, watch)


def assert_honest(watch: Watch) -> None:
    """Every failed request got a 503 with Retry-After, and no request of the checker was left unanswered."""
    assert all(each.honest for each in watch.report.failures), watch.summary()
    assert not [each for each in watch.world.journal.operations if each.status == NO_ANSWER], watch.summary()
    assert not watch.tally.unreachable, watch.summary()
    watch.assert_final()


def test_killed_or_stopped_pgbouncer_costs_only_503s_with_retry_after(calm: Release) -> None:
    """Those of two pods in turn. A stopped one accepts connections but does not respond."""
    killed, stopped = calm.pods()
    with under_load(calm, "kill -9 of PgBouncer, then SIGSTOP of another") as watch:
        for pod, end in ((killed, kill), (stopped, stop)):
            with watch.phase(end.__name__):
                end(first_process(pod, "pgbouncer"))
                calm.wait_for_pods(came_back(pod), "PgBouncer restarted")
            watch.wait_for_calm(500)
    assert_honest(watch)


def test_killed_worker_loses_only_its_running_requests(calm: Release) -> None:
    pod = calm.pods()[0]
    with under_load(calm, "kill -9 of a worker") as watch:
        start, victim = time.monotonic_ns(), workers(pod)[0]
        number = len(workers(pod))
        kill(victim)
        wait_for(lambda: victim not in workers(pod) and len(workers(pod)) == number, "a new worker")
        watch.faults.crashes.append(Interval(start, time.monotonic_ns()))
    watch.assert_final()
    hit = [*watch.report.lost, *watch.report.repeated]
    assert all(each.honest or each in watch.report.lost for each in watch.report.failures), watch.summary()
    assert len({each.worker for each in hit if each.worker}) <= 1, watch.summary()
    assert len(watch.report.lost) <= LOAD.connections, watch.summary()
    died = max((watch.report.workers.get(each.worker, 0) for each in hit), default=0)
    assert died < watch.faults.crashes[0].end, watch.summary()
    assert (pod.uid, pod.restarts) in {(each.uid, each.restarts) for each in calm.pods()}


def test_killed_or_deleted_memcached_costs_only_503s_with_retry_after(calm: Release) -> None:
    """Server 0 holds the log. The pod that replaces a deleted one has another address."""
    with under_load(calm, "memcached killed, then deleted") as watch:
        log_server = calm.pods("memcached")[0]
        with watch.phase(f"kill -9 of {log_server.name}"):
            kill(first_process(log_server, "memcached"))
            calm.wait_for_pods(came_back(log_server), f"{log_server.name} restarted", "memcached")
        for former in calm.pods("memcached"):
            watch.wait_for_calm(500)
            with watch.phase(f"kubectl delete pod {former.name}"):
                calm.kubectl("delete", "pod", former.name, "--wait=false")
                calm.wait_for_pods(another(former), f"{former.name} replaced", "memcached")
    assert_honest(watch)


def came_back(former: Pod) -> Callable[[list[Pod]], bool]:
    """The same pod, ready, with one more restart."""
    return lambda pods: any(
        each.uid == former.uid and each.ready and each.restarts == former.restarts + 1 for each in pods
    )


def another(former: Pod) -> Callable[[list[Pod]], bool]:
    """A pod of the same name, ready."""
    return lambda pods: any(each.name == former.name and each.uid != former.uid and each.ready for each in pods)
