"""Prometheus metrics of the service's dependencies, also while some of them are down."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from prometheus_client.core import Metric

from app.alerts.digests.store import Standing as DigestStanding
from app.errors import Unavailable
from app.health.collector import AlertsCollector, DependenciesCollector, FeedsCollector, PostingsCollector
from app.health.service import Dependencies
from app.jobs.upkeep.store import Standing

SHOWN: dict[str, list[dict[str, Any]]] = {
    "SHOW POOLS": [
        {"database": "pgbouncer", "cl_active": 1, "cl_waiting": 0, "sv_active": 0, "sv_idle": 0, "sv_used": 0}
        | {"maxwait": 0, "maxwait_us": 0},
        {"database": "jobfinder", "cl_active": 4, "cl_waiting": 2, "sv_active": 3, "sv_idle": 1, "sv_used": 1}
        | {"maxwait": 1, "maxwait_us": 500_000},
    ],
    "SHOW STATS": [
        {"database": "jobfinder", "total_query_count": 7, "total_xact_count": 5}
        | {"total_query_time": 2_000_000, "total_wait_time": 250_000}
    ],
    "SHOW CONFIG": [{"key": "default_pool_size", "value": "3"}],
}


@dataclass
class Console:
    answers: bool = True
    asked: list[str] = field(default_factory=list)

    def records(self, statement: str) -> list[dict[str, Any]]:
        self.asked.append(statement)
        if not self.answers:
            raise Unavailable("no")
        return SHOWN[statement]


class Cache:
    def ping(self) -> list[tuple[str, float | None]]:
        return [("a:1", 0.2), ("b:1", None)]


class Keys:
    def fingerprints(self) -> dict[str, str]:
        return dict.fromkeys(("20260301-1", "development-1", "20269999"), "")


def shown(console: Console | None) -> dict[str, dict[str, float]]:
    """Values by metric and by their one label, empty where there is none."""
    needs = Dependencies(cast(Any, None), cast(Any, console), cast(Any, Cache()), lambda: None, str)
    metrics = list(DependenciesCollector(needs, cast(Any, Keys())).collect())
    return {
        each.name: {next(iter(sample.labels.values()), ""): sample.value for sample in each.samples} for each in metrics
    }


def test_each_memcached_is_up_or_down() -> None:
    assert shown(None)["jobfinder_memcached_up"] == {"a:1": 1, "b:1": 0}


def test_pgbouncer_metrics_leave_out_the_console() -> None:
    metrics = shown(Console())
    assert metrics["jobfinder_pgbouncer_up"] == {"": 1}
    assert metrics["jobfinder_pgbouncer_clients_active"] == {"": 4}
    assert metrics["jobfinder_pgbouncer_max_wait_seconds"] == {"": 1.5}
    assert metrics["jobfinder_pgbouncer_wait_seconds"] == {"": 0.25}
    assert metrics["jobfinder_pgbouncer_pool_size"] == {"": 3}


def test_pgbouncer_that_does_not_answer_has_no_other_metrics() -> None:
    metrics = shown(Console(answers=False))
    assert metrics["jobfinder_pgbouncer_up"] == {"": 0}
    assert not [
        name for name in metrics if name.startswith("jobfinder_pgbouncer_") and name != "jobfinder_pgbouncer_up"
    ]


def test_without_a_pooler_there_are_no_pooler_metrics() -> None:
    assert not [name for name in shown(None) if name.startswith("jobfinder_pgbouncer")]


def test_key_creation_time_is_the_date_in_its_name() -> None:
    day = datetime(2026, 3, 1, tzinfo=UTC).timestamp()
    assert shown(None)["jobfinder_signing_key_created_timestamp_seconds"] == {"20260301-1": day}


def test_metrics_are_cached_for_a_second() -> None:
    console = Console()
    needs = Dependencies(cast(Any, None), cast(Any, console), cast(Any, Cache()), lambda: None, str)
    collector = DependenciesCollector(needs, cast(Any, Keys()))
    first, second = list(collector.collect()), list(collector.collect())
    assert len(first) == len(second)
    assert len(console.asked) == len(SHOWN)


def _postings() -> Iterable[Metric]:
    return PostingsCollector(lambda: Standing({"open": 3, "draft": 0}, 2.5), lambda: 7.5).collect()


def test_postings_are_shown_by_state_with_the_lags_of_expiry_and_events() -> None:
    metrics = {each.name: each for each in _postings()}
    postings = {sample.labels["state"]: sample.value for sample in metrics["jobfinder_postings"].samples}
    assert postings == {"open": 3, "draft": 0}
    assert [sample.value for sample in metrics["jobfinder_expiry_behind_seconds"].samples] == [2.5]
    assert [sample.value for sample in metrics["jobfinder_events_behind_seconds"].samples] == [7.5]


def test_without_postgresql_there_are_no_metrics_of_postings() -> None:
    def look() -> Standing:
        raise Unavailable("no")

    assert list(PostingsCollector(look, lambda: 0.0).collect()) == []


def test_lag_of_alerts_is_shown_while_postgresql_answers() -> None:
    def fails() -> DigestStanding:
        raise Unavailable("no")

    found = list(AlertsCollector(lambda: 3.5, lambda: DigestStanding(2.0, 7.0)).collect())
    assert {metric.name: [sample.value for sample in metric.samples] for metric in found} == {
        "jobfinder_matching_behind_seconds": [3.5],
        "jobfinder_digests_behind_seconds": [2.0],
        "jobfinder_digests_unsent_seconds": [7.0],
    }
    assert list(AlertsCollector(lambda: 3.5, fails).collect()) == []


def test_sources_are_shown_by_their_latest_run() -> None:
    [metric] = FeedsCollector(lambda: {"failing": 1, "committed": 4}).collect()
    assert {sample.labels["state"]: sample.value for sample in metric.samples} == {"failing": 1, "committed": 4}
