"""Shapes of health and of the metrics for people."""

from typing import Literal

from msgspec import Struct


class Alive(Struct, frozen=True):
    """The plain yes."""

    status: Literal["ok"]


class Check(Struct, omit_defaults=True):
    """One thing that the service stands on; `latency_ms` where it answered."""

    status: Literal["up", "down", "absent"]
    latency_ms: float | None = None
    servers: int | None = None
    servers_up: int | None = None


class Report(Struct, frozen=True):
    """`degraded` is without cache, `unavailable` without database."""

    status: Literal["ok", "degraded", "unavailable"]
    checks: dict[str, Check]
    timestamp: str


class Performance(Struct, frozen=True):
    """Times in ms, rates in %; errors are answers of 500 and above."""

    request_count: int
    avg_response_time: float
    error_rate: float
    cache_hit_rate: float
    cache_hits: int
    cache_misses: int


class Endpoint(Struct, frozen=True):
    """One method of one route."""

    count: int
    avg_ms: float
    p50_ms: float
    p99_ms: float
    errors: int


class System(Struct, frozen=True):
    """Memory of the container's limit, or of the machine."""

    memory_usage_percent: float
    uptime: str
    uptime_seconds: int


class Metrics(Struct, frozen=True):
    """Over all workers of the pod, since it started."""

    performance: Performance
    endpoints: dict[str, Endpoint]
    system: System
    timestamp: str


class Links(Struct, frozen=True):
    """Paths on this host."""

    docs: str
    openapi: str
    jwks: str
