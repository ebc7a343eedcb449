"""Metrics and probes of a task worker over HTTP."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app.health.processes import PROMETHEUS, Answer, probed, process_metrics
from app.worker.duties import Parts

OUTCOMES = ("succeeded", "retried", "failed", "aborted", "lost")
"""`lost`: another worker had taken the task meanwhile, as no heartbeat arrived, or its account was deleted."""
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
HUNG_S = 15.0


class TaskMetrics(Collector):
    """What this process has done; `running` returns how many tasks it does now."""

    def __init__(self, parts: Parts, names: list[str], running: Callable[[], int]) -> None:
        self._parts, self._running = parts, running
        self.registry = CollectorRegistry()
        self._seconds = Histogram(
            "jobfinder_task_duration_seconds",
            "Time of an attempt at a task",
            ["task"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._attempts = Counter(
            "jobfinder_task_attempts", "Attempts at tasks by outcome", ["task", "outcome"], registry=self.registry
        )
        for name in names:
            for outcome in OUTCOMES:  # rate() would miss the first of a new series
                self._attempts.labels(name, outcome)
        self.registry.register(self)

    def settled(self, name: str, outcome: str, seconds: float) -> None:
        """Count one attempt."""
        self._seconds.labels(name).observe(seconds)
        self._attempts.labels(name, outcome).inc()

    def collect(self) -> Iterator[Metric]:
        """The state of this process now."""
        yield from process_metrics(self._parts.tuning, self._parts.database)
        concurrency = float(self._parts.tuning.current.tasks.concurrency)
        yield GaugeMetricFamily("jobfinder_tasks_running", "Tasks that this worker does now", value=self._running())
        yield GaugeMetricFamily("jobfinder_tasks_concurrency", "The most that it does at once", value=concurrency)


class Probes:
    """`/metrics`, `/health/live` and `/health/ready`. The event loop calls `seen` every second."""

    def __init__(self, metrics: TaskMetrics, unready: Callable[[], str]) -> None:
        self._metrics, self._unready = metrics, unready
        self._seen_at = time.monotonic()

    def seen(self) -> None:
        """Note that the event loop runs."""
        self._seen_at = time.monotonic()

    def serve(self, host: str, port: int) -> None:
        """Answer in threads of their own until the process ends; raises OSError when the port is taken."""
        server = _Server((host, port), _handler(self._answer))
        threading.Thread(target=server.serve_forever, name="probes", daemon=True).start()

    def _answer(self, path: str) -> Answer:
        if path == "/metrics":
            return 200, PROMETHEUS, generate_latest(self._metrics.registry)
        if path == "/health/live":
            return probed("the event loop hangs" if time.monotonic() - self._seen_at > HUNG_S else "")
        if path == "/health/ready":
            return probed(self._unready())
        return 404, "text/plain", b"not found\n"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        host, port = address
        if host == "*":
            host = "::" if socket.has_dualstack_ipv6() else "0.0.0.0"  # noqa: S104 - as asked
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), handler)

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


def _handler(answer: Callable[[str], Answer]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5

        def do_GET(self) -> None:
            status, kind, body = answer(self.path)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *said: object) -> None:
            """Probes are not logged."""

    return Handler
