"""PgBouncer's configuration: what the budget of server connections relies on, and the files of a pod's sidecar."""

from collections.abc import Mapping
from pathlib import Path

from app.config import PoolerSettings

OPERATOR = "jobfinder_operator"

# One pool for one database and one user: its size is all that PostgreSQL sees of the pod.
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

    Two of them, because after a RECONNECT the next client to log in is worth one connection above `default_pool_size`.
    """
    return {"default_pool_size": size, "max_db_connections": size}


def connection_string(**parts: object) -> str:
    """`parts` as PgBouncer reads them: quoted, because a blank or a quote would end a plain value."""
    return " ".join(f"{name}={_quoted(value)}" for name, value in parts.items() if value != "")


def write_files(settings: PoolerSettings, connect_query: str, folder: Path) -> None:
    """Write pgbouncer.ini, hba.conf and userlist.txt, which hold passwords, for their owner alone."""
    files = {
        "pgbouncer.ini": _pod_ini(settings, connect_query, folder),
        "hba.conf": _hba(settings),
        "userlist.txt": _users(settings),
    }
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in files.items():
        path = folder / name
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text(text)


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
        "listen_addr": "*" if settings.pgbouncer_operator_password else "",
        "listen_port": settings.pgbouncer_port,
        "unix_socket_dir": settings.pgbouncer_socket_folder,
        "unix_socket_mode": "0700",
        "auth_type": "hba",
        "auth_hba_file": folder / "hba.conf",
        "auth_file": folder / "userlist.txt",
        "admin_users": OPERATOR if settings.pgbouncer_operator_password else "",
        "stats_users": settings.database_user,
        **pool(settings.pgbouncer_pool_size),
        "max_client_conn": settings.pgbouncer_max_clients,
        "query_wait_timeout": settings.pgbouncer_query_wait_seconds,
        "server_idle_timeout": settings.pgbouncer_idle_seconds,
        "server_connect_timeout": 5,
        "server_tls_sslmode": settings.database_tls_mode,
    }
    if settings.database_tls_ca_file:
        values["server_tls_ca_file"] = settings.database_tls_ca_file
    return ini({settings.database_name: server}, values)


def _hba(settings: PoolerSettings) -> str:
    """The service over the socket that only its pod has; over TCP the operator alone, to the console alone."""
    user = _name(settings.database_user)
    lines = [f"local {_name(settings.database_name)} {user} trust", f"local pgbouncer {user} trust"]
    if settings.pgbouncer_operator_password:
        lines += [f"host pgbouncer {OPERATOR} {network} scram-sha-256" for network in ("0.0.0.0/0", "::/0")]
    return "\n".join(lines) + "\n"


def _users(settings: PoolerSettings) -> str:
    users = {settings.database_user: ""}
    if settings.pgbouncer_operator_password:
        users[OPERATOR] = settings.pgbouncer_operator_password
    return "".join(f"{_name(user)} {_name(password)}\n" for user, password in users.items())


def _quoted(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
