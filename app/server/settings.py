"""gunicorn's options, derived from the service's settings."""

import os
import socket
from pathlib import Path
from typing import Any

from app.config import Settings
from app.infra.machine.descriptors import descriptor_limit
from app.infra.machine.workers import worker_count

HEARTBEAT_FOLDER = "/dev/shm"  # noqa: S108 - a heartbeat on a disk would wait for the disk


def listen_host(settings: Settings) -> str:
    """The host to listen on; `*` means all addresses, of IPv4 only if the kernel has no IPv6."""
    if settings.host != "*":
        return settings.host
    return "::" if socket.has_dualstack_ipv6() else "0.0.0.0"  # noqa: S104 - as asked


def bind_address(settings: Settings) -> str:
    """`host:port` as gunicorn wants it; a host of `unix:/path` is taken as it is."""
    host = listen_host(settings)
    if host.startswith("unix:"):
        return host
    return f"[{host}]:{settings.port}" if ":" in host else f"{host}:{settings.port}"


def options(settings: Settings) -> dict[str, Any]:
    """gunicorn's options. It is told to trust no proxies, as `proxy.py` handles them."""
    chosen: dict[str, Any] = {
        "bind": [bind_address(settings)],
        "workers": worker_count(settings.workers),
        "threads": settings.threads,
        "backlog": settings.backlog,
        "timeout": settings.timeout,
        "graceful_timeout": settings.graceful_timeout,
        "keepalive": settings.keepalive,
        "max_requests": settings.max_requests,
        "max_requests_jitter": settings.max_requests_jitter,
        "worker_connections": descriptor_limit(),
        "loglevel": settings.log_level.lower(),
        "proc_name": "jobfinder",
        "forwarded_allow_ips": "",
        "secure_scheme_headers": {},
        "limit_request_line": 8190,
        "limit_request_fields": 128,
        "limit_request_field_size": 8190,
        "control_socket_disable": True,
    }
    if os.access(HEARTBEAT_FOLDER, os.W_OK) and Path(HEARTBEAT_FOLDER).is_dir():
        chosen["worker_tmp_dir"] = HEARTBEAT_FOLDER
    return chosen
