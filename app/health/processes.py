"""What every process that answers Prometheus and probes by itself tells in the same way."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric

from app.config import VERSION
from app.infra.machine.memory import resident_bytes
from app.infra.postgres.database import Database
from app.infra.tuning.live_tuning import LiveTuning

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
"""The media type of Prometheus's text format."""

Answer = tuple[int, str, bytes]
"""Status, media type and body of the answer to a probe."""


def probed(problem: str) -> Answer:
    """The answer to a probe; no `problem` is an empty text."""
    return (503, "text/plain", f"{problem}\n".encode()) if problem else (200, "text/plain", b"ok\n")


def process_metrics(tuning: LiveTuning, database: Database) -> Iterator[Metric]:
    """The version, the live settings, the memory and the database connections of a process that is its only worker."""
    pool = database.stats()
    yield InfoMetricFamily("jobfinder_build", "This version", value={"version": VERSION})
    for name, meaning, value in (
        ("tuning_generation", "Generation of the tuning file that the worker applies", tuning.generation),
        ("tuning_refused", "Tuning files that the worker has refused", tuning.refused),
        ("resident_bytes", "Resident memory", resident_bytes()),
        ("database_connections_in_use", "Database connections in use", pool.in_use),
        ("database_connections_idle", "Database connections idle", pool.idle),
        ("database_waiting", "Calls that wait for a database connection", pool.waiting),
        ("database_timeouts", "Calls that waited in vain for a database connection", pool.timeouts),
    ):
        gauge = GaugeMetricFamily(f"jobfinder_{name}", meaning, labels=["worker"])
        gauge.add_metric(["0"], value)
        yield gauge
