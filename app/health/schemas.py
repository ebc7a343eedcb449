"""Shapes of health reports and of metrics as JSON."""

from typing import Literal

from msgspec import Struct


class Alive(Struct, frozen=True):
    """The service is alive, or ready."""

    status: Literal["ok"]


class Check(Struct, omit_defaults=True):
    """The state of one dependency; `latency_ms` is set if it answered."""

    status: Literal["up", "down", "absent"]
    latency_ms: float | None = None
    servers: int | None = None
    servers_up: int | None = None


class Report(Struct, frozen=True):
    """`degraded` means that the cache or a replica is away, `unavailable` that the database or the pooler is."""

    status: Literal["ok", "degraded", "unavailable"]
    checks: dict[str, Check]
    timestamp: str


class Performance(Struct, frozen=True):
    """Times in ms, rates in percent; errors are responses with status 500 and above."""

    request_count: int
    avg_response_time: float
    error_rate: float
    cache_hit_rate: float
    cache_hits: int
    cache_misses: int


class Endpoint(Struct, frozen=True):
    """Requests of one method of one route."""

    count: int
    avg_ms: float
    p50_ms: float
    p99_ms: float
    errors: int


class System(Struct, frozen=True):
    """Memory use in percent of the container's limit, or of the machine; `uptime` since the service started."""

    memory_usage_percent: float
    uptime: str
    uptime_seconds: int


class Metrics(Struct, frozen=True):
    """Metrics of all workers of the pod since it started."""

    performance: Performance
    endpoints: dict[str, Endpoint]
    system: System
    timestamp: str


class Links(Struct, frozen=True):
    """Paths of the documentation and of the public keys on this host."""

    docs: str
    openapi: str
    jwks: str
