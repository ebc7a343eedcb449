"""Counters and the sample of the log: the same for the same requests, whether the server keeps answers or not."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.api_client import Api
from tests.integration.operating.kept import OWN, bearer, connect, is_kept
from tests.integration.operating.release import CHEAP, Release, wait_for
from tests.service import Service

REQUESTS, SHARE = 1000, 0.2
COUNTED = ("jobfinder_http_requests_total", "jobfinder_cache_hits_total", "jobfinder_cache_misses_total")
TIMED = ("jobfinder_http_request_duration_seconds_count", "jobfinder_search_duration_seconds_count")
DISTURBING = ("jobfinder_lease_failures_total", "jobfinder_histories_started_total")
"""Where one of these has grown, the application has had to ask PostgreSQL again."""
LIMITS = {"open_requests_per_address": 0, "requests_per_user": 0}


@pytest.fixture(scope="module")
def services(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Service]]:
    """One that keeps nothing and one that keeps answers, with one worker each; both log a share of the requests."""
    with ExitStack() as stack:
        made = []
        for size in (0, 16_777_216):
            path: Path = tmp_path_factory.mktemp("counts") / "tuning.json"
            path.write_text(json.dumps({**CHEAP, "limits": LIMITS, "cache": {"answers_bytes": size}}))
            pod = release.pod(WORKERS="1", LOG_REQUESTS=str(SHARE), TUNING_FILE=str(path))
            made.append(stack.enter_context(pod))
        yield made


def counts(api: Api) -> Counter[tuple[str, tuple[tuple[str, str], ...]]]:
    """Every counter by its name and labels, without the requests of this function."""
    families = text_string_to_metric_families(api.fresh().root("/metrics").text)
    samples = (each for family in families for each in family.samples if each.name in (*COUNTED, *TIMED, *DISTURBING))
    found = {(each.name, tuple(sorted(each.labels.items()))): int(each.value) for each in samples}
    return Counter({key: value for key, value in found.items() if ("route", "/metrics") not in key[1]})


def logged(pod: Service) -> int:
    return sum('"message": "request"' in line for line in pod.log.read_text().splitlines())


def send(api: Api, targets: Mapping[str, str], rounds: int) -> int:
    """Send each request once in each round; returns how many answers the server gave by itself."""
    connection = connect(api)
    given = sum(is_kept(connection.get(*each)) for _ in range(rounds) for each in targets.items())
    connection.close()
    return given


def measured(pod: Service, api: Api, targets: Mapping[str, str]) -> tuple[Counter[Any], int, int]:
    """What REQUESTS requests add to the counters, how many got kept answers, and how many were logged."""
    send(api, targets, 5)
    while True:
        before, logged_before = counts(api), logged(pod)
        given = send(api, targets, REQUESTS // len(targets))
        wait_for(lambda: counts(api)[LAST] - before[LAST] >= REQUESTS // len(targets), "the counts")
        more = counts(api) - before
        if not any(name in DISTURBING for name, _ in more):
            return more, given, logged(pod) - logged_before


def test_same_requests_are_counted_and_logged_alike(release: Release, services: list[Service]) -> None:
    person = release.api(services[0]).person()
    token = bearer(person)
    targets = {
        OWN: token,
        f"/api/v1/users/{person.id}": token,
        f"/api/v1/users/batch?ids={person.id}": token,
        "/api/v1/users/999999999": token,
        "/api/v1/jobs?q=nurse": "",
        "/api/v1/jobs?q=nurse&limit=0": "",
        "/.well-known/jwks.json": "",
        "/openapi.json": "",
    }
    (plain, none, few), (keeping, many, others) = (measured(each, release.api(each), targets) for each in services)
    assert keeping == plain
    assert sum(value for (name, _), value in plain.items() if name == COUNTED[0]) == REQUESTS
    assert none == 0
    assert many > 0
    assert all(0.12 * REQUESTS < lines < 0.28 * REQUESTS for lines in (few, others)), (few, others)


LAST = (COUNTED[0], (("method", "GET"), ("route", "/openapi.json"), ("status", "2xx")))
"""The counter of the last request of each round."""
