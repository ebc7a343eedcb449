"""PgBouncer's configuration: the settings that the connection budget relies on, and the files of a pod's sidecar."""

import secrets
from collections.abc import Mapping
from pathlib import Path

from app.config import PoolerSettings
from app.infra.pgbouncer.scram import verifier

SERVICE = "jobfinder"  # user and database on PgBouncer's side, whatever PostgreSQL's names are
OPERATOR = "jobfinder_operator"
EXPORTER = "jobfinder_exporter"

# One database and one user make one pool, so its size bounds the pod's connections to PostgreSQL.
# https://www.pgbouncer.org/config.html
BUDGET: Mapping[str, object] = {
    "pool_mode": "transaction",
    "min_pool_size": 0,
    "reserve_pool_size": 0,
    "server_login_retry": 1,
    "server_check_delay": 5,
    "ignore_startup_parameters": "extra_float_digits",
    "log_connections": 0,
    "log_disconnections": 0,
}


def ini(databases: Mapping[str, str], settings: Mapping[str, object]) -> str:
    """The text of pgbouncer.ini; `databases` maps names to connection strings."""
    names = "".join(f"{name} = {server}\n" for name, server in databases.items())
    values = "".join(f"{name} = {value}\n" for name, value in {**BUDGET, **settings}.items())
    return f"[databases]\n{names}\n[pgbouncer]\n{values}"


def pool(size: int) -> Mapping[str, object]:
    """The settings that bound a database's connections by `size`, one or more.

    Both are needed: after a RECONNECT the next login may open one connection above `default_pool_size`.
    """
    return {"default_pool_size": size, "max_db_connections": size}


def connection_string(**parts: object) -> str:
    """`parts` as PgBouncer reads them. Values are quoted, because a blank or a quote would end an unquoted one."""
    return " ".join(f"{name}={_quoted(value)}" for name, value in parts.items() if value != "")


def write_files(settings: PoolerSettings, connect_query: str, folder: Path) -> None:
    """Write userlist.txt, hba.conf and pgbouncer.ini, readable by their owner only.

    pgbouncer.ini holds PostgreSQL's password, userlist.txt the SCRAM verifiers of the console's users. The exporter
    gets a new random password each time, stored only in its `pgpass` file.
    """
    exporter_password = secrets.token_hex(32) if settings.pgbouncer_exporter_folder else ""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if exporter_password:
        _write(Path(settings.pgbouncer_exporter_folder, "pgpass"), f"*:*:*:{EXPORTER}:{exporter_password}\n")
    _write(folder / "userlist.txt", _users(settings, exporter_password))
    _write(folder / "hba.conf", _hba(settings))
    _write(folder / "pgbouncer.ini", _pod_ini(settings, connect_query, folder))


def _write(path: Path, text: str) -> None:
    """Replace the file atomically, because PgBouncer may be reading it."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_text(text)
    new.replace(path)


def _pod_ini(settings: PoolerSettings, connect_query: str, folder: Path) -> str:
    server = connection_string(
        host=settings.database_host,
        port=settings.database_port,
        dbname=settings.database_name,
        user=settings.database_user,
        password=settings.database_password,
        connect_query=connect_query,
    )
    values: dict[str, object] = {
        "listen_addr": _listen(settings),
        "listen_port": settings.pgbouncer_port,
        "unix_socket_dir": settings.pgbouncer_socket_folder,
        "unix_socket_mode": "0700",
        "auth_type": "hba",
        "auth_hba_file": folder / "hba.conf",
        "auth_file": folder / "userlist.txt",
        "admin_users": OPERATOR if settings.pgbouncer_operator_password else "",
        "stats_users": f"{SERVICE},{EXPORTER}",
        **pool(settings.pgbouncer_pool_size),
        "max_client_conn": settings.pgbouncer_max_clients,
        "query_wait_timeout": settings.pgbouncer_query_wait_seconds,
        "server_idle_timeout": settings.pgbouncer_idle_seconds,
        "server_connect_timeout": 5,
        "server_tls_sslmode": settings.database_tls_mode,
    }
    if settings.database_tls_ca_file:
        values["server_tls_ca_file"] = settings.database_tls_ca_file
    if settings.pgbouncer_tls_folder:
        certificate = Path(settings.pgbouncer_tls_folder)
        values["client_tls_sslmode"] = "allow"  # hba.conf says for whom TLS is required
        values["client_tls_cert_file"], values["client_tls_key_file"] = certificate / "tls.crt", certificate / "tls.key"
        # Clients need no certificate, but PgBouncer 1.26 does not start without a CA file.
        values["client_tls_ca_file"] = certificate / "tls.crt"
    return ini({SERVICE: server}, values)


def _listen(settings: PoolerSettings) -> str:
    if settings.pgbouncer_operator_password:
        return "*"
    return "127.0.0.1" if settings.pgbouncer_exporter_folder else ""


def _hba(settings: PoolerSettings) -> str:
    """Access rules: the service connects over the Unix socket that its container shares, without a password.

    Over TCP only the console is open, with a password: to the operator over TLS, to the exporter from within the pod.
    """
    lines = [f"local {database} {SERVICE} trust" for database in (SERVICE, "pgbouncer")]
    if settings.pgbouncer_operator_password:
        lines += [f"hostssl pgbouncer {OPERATOR} {network} scram-sha-256" for network in ("0.0.0.0/0", "::/0")]
    if settings.pgbouncer_exporter_folder:
        lines += [f"host pgbouncer {EXPORTER} {network} scram-sha-256" for network in ("127.0.0.1/32", "::1/128")]
    return "\n".join(lines) + "\n"


def _users(settings: PoolerSettings, exporter_password: str) -> str:
    users = {SERVICE: ""}
    checked = {OPERATOR: settings.pgbouncer_operator_password, EXPORTER: exporter_password}
    users |= {user: verifier(password) for user, password in checked.items() if password}
    return "".join(f"{_name(user)} {_name(secret)}\n" for user, secret in users.items())


def _quoted(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
