"""The operator's own settings, read from the environment once at start."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jobfinder_operator.clients.pgbouncer import ConsoleAccount

# Listen on all IPv6 and IPv4 addresses; on IPv4 only if the kernel has no IPv6.
EVERY_ADDRESS = "::" if socket.has_dualstack_ipv6() else "0.0.0.0"  # noqa: S104 - probes and metrics of a pod
_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class SettingsError(Exception):
    """An environment variable is missing or invalid."""


@dataclass(frozen=True)
class Settings:
    """Ports are those of the managed pods, except `metrics_port` and `health_port`, which are the operator's own.

    `command_timeout_s` is for each console command. `command_window_s` is for all commands of a round: they are sent in
    its first half and take effect in its second half at the latest. `release`: only Deployments with this value of the
    label `app.kubernetes.io/instance` are managed; empty: all of the namespace.
    """

    namespace: str
    pod_name: str
    lease_name: str
    pgbouncer_user: str
    pgbouncer_password: str
    pgbouncer_ca_file: str
    pgbouncer_server_name: str
    pgbouncer_port: int = 6432
    app_port: int = 8000
    tasks_port: int = 8002
    realtime_port: int = 8003
    memcached_port: int = 11211
    metrics_port: int = 9090
    health_port: int = 8080
    log_level: str = "INFO"
    interval_s: float = 3.0
    release: str = ""
    command_timeout_s: float = 2.0
    command_window_s: float = 5.0
    lease_s: float = 10.0

    @property
    def console_account(self) -> ConsoleAccount:
        """Credentials for the PgBouncer consoles."""
        return ConsoleAccount(
            self.pgbouncer_user,
            self.pgbouncer_password,
            self.pgbouncer_ca_file,
            self.pgbouncer_server_name,
            self.pgbouncer_port,
        )


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the environment; raises SettingsError that names the variable."""
    source = os.environ if environ is None else environ
    return Settings(
        namespace=_namespace(source),
        pod_name=source.get("POD_NAME") or socket.gethostname(),
        lease_name=source.get("LEASE_NAME") or "jobfinder-operator",
        pgbouncer_user=source.get("PGBOUNCER_USER") or "jobfinder_operator",
        pgbouncer_password=_secret(source, "PGBOUNCER_PASSWORD"),
        pgbouncer_ca_file=_needed(source, "PGBOUNCER_CA_FILE", "the authority that signs PgBouncer's certificate"),
        pgbouncer_server_name=source.get("PGBOUNCER_SERVER_NAME") or "jobfinder-pgbouncer",
        pgbouncer_port=_number(source, "PGBOUNCER_PORT", Settings.pgbouncer_port),
        app_port=_number(source, "APP_PORT", Settings.app_port),
        tasks_port=_number(source, "TASKS_PORT", Settings.tasks_port),
        realtime_port=_number(source, "REALTIME_PORT", Settings.realtime_port),
        memcached_port=_number(source, "MEMCACHED_PORT", Settings.memcached_port),
        metrics_port=_number(source, "METRICS_PORT", Settings.metrics_port),
        health_port=_number(source, "HEALTH_PORT", Settings.health_port),
        log_level=source.get("LOG_LEVEL") or Settings.log_level,
        release=source.get("RELEASE") or Settings.release,
    )


def api_server(environ: Mapping[str, str] | None = None) -> str:
    """URL of the API server with its IP address, from the kubelet's variables; empty outside of a cluster.

    A host name would need the cluster's DNS, which a pod that has just started may not reach yet.
    """
    source = os.environ if environ is None else environ
    host, port = source.get("KUBERNETES_SERVICE_HOST", ""), source.get("KUBERNETES_SERVICE_PORT", "443")
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}" if host else ""


def _namespace(source: Mapping[str, str]) -> str:
    if given := source.get("POD_NAMESPACE"):
        return given
    if _NAMESPACE_FILE.exists():
        return _NAMESPACE_FILE.read_text().strip()
    raise SettingsError("POD_NAMESPACE: the namespace to look after is needed")


def _secret(source: Mapping[str, str], name: str) -> str:
    if file := source.get(f"{name}_FILE"):
        try:
            return Path(file).read_text().strip()
        except OSError as error:
            raise SettingsError(f"{name}_FILE: {error}") from error
    if name in source:
        return source[name]
    raise SettingsError(f"{name}_FILE: a file with the password of the PgBouncer consoles is needed")


def _needed(source: Mapping[str, str], name: str, what: str) -> str:
    if given := source.get(name):
        return given
    raise SettingsError(f"{name}: {what} is needed")


def _number(source: Mapping[str, str], name: str, default: int) -> int:
    text = source.get(name) or str(default)
    if not text.isdecimal():
        raise SettingsError(f"{name}: {text!r} is no number")
    return int(text)
