"""The command line: `python -m app COMMAND`."""

import argparse
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from app.config import load_migration_settings, load_pooler_settings, load_settings
from app.errors import ConfigError, ProductError
from app.infra.logs import configure_logging
from app.local.process import LocalError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    parser = _parser()
    given, rest = parser.parse_known_args(arguments)
    if rest and given.command != "run":
        parser.error(f"unknown: {' '.join(rest)}")
    try:
        return COMMANDS[given.command](given, rest)
    except (ConfigError, ProductError, LocalError) as error:
        print(f"jobfinder: cannot {given.command}:\n{error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m app", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="run the service and its dependencies locally, for development", add_help=False)
    commands.add_parser("serve", help="run the service alone, configured by the environment")
    migrations = commands.add_parser("migrate", help="bring the database's schema up to date")
    migrations.add_argument(
        "--wait", type=float, default=0.0, metavar="SECONDS", help="how long to wait for the database to start"
    )
    migrations.add_argument("--log-identity", metavar="SERVER", help="then change the log of changes to this server")
    change = commands.add_parser(
        "log-identity", help="show or change the log of changes that the database is used with"
    )
    change.add_argument("identity", nargs="?", metavar="SERVER", help="address of memcached server 0, or none")
    change.add_argument("--lost", action="store_true", help="the former server is gone for good, with all its data")
    seed = commands.add_parser("seed", help="fill a development database with made-up users, companies and postings")
    seed.add_argument("--users", type=int, default=0, metavar="N", help="users, up to user<N>@example.com")
    seed.add_argument("--jobs", type=int, default=0, metavar="N", help="postings, with their companies")
    seed.add_argument("--seed", type=int, default=1, metavar="NUMBER", help="makes other companies and postings")
    seed.add_argument("--state", type=Path, default=Path(".run"), help="folder of the running service")
    seed.add_argument("--in-production", action="store_true", help="whatever ENVIRONMENT says")
    demo = commands.add_parser("demo", help="a tour through the API of a running service")
    demo.add_argument("--url", default="http://127.0.0.1:8000")
    commands.add_parser("openapi", help="print the OpenAPI document")
    readme = commands.add_parser("readme", help="update the generated tables of README.md and docs/")
    readme.add_argument("--root", type=Path, default=Path(), help="folder of the checkout")
    commands.add_parser("connect-query", help="print the connect_query of PgBouncer")
    sessions = commands.add_parser("sessions", help="administer the sessions of users")
    end = sessions.add_subparsers(required=True, metavar="end").add_parser("end", help="end all sessions of an account")
    end.add_argument("email", help="address of the account")
    end.set_defaults(command="sessions end")
    admin = commands.add_parser("admin", help="grant or revoke the use of /api/v1/admin").add_subparsers(
        required=True, metavar="grant|revoke"
    )
    for name in ("grant", "revoke"):
        each = admin.add_parser(name, help=f"{name} it for an account")
        each.add_argument("email", help="address of the account")
        each.set_defaults(command=f"admin {name}")
    pooler = commands.add_parser("pgbouncer-config", help="write the files of the PgBouncer beside the service")
    pooler.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    pooler.add_argument(
        "--watch", action="store_true", help="keep running, and write them again when a file named by a setting changes"
    )
    return parser


def _run(given: argparse.Namespace, rest: list[str]) -> int:
    from app.local import run

    return run.main(rest)


def _serve(given: argparse.Namespace, rest: list[str]) -> int:
    from app.infra.machine.workers import slots_of, worker_count
    from app.infra.metrics.counters import Counters
    from app.main import check_secrets, create_app
    from app.routes import ROUTES, route_labels
    from app.server.gunicorn_app import serve
    from app.web.body_limits import body_limits

    settings = load_settings()
    configure_logging(settings.log_level)
    check_secrets(settings)
    counters = Counters.create(route_labels(), slots_of(worker_count(settings.workers)))
    serve(settings, lambda slot: create_app(settings, counters, slot), body_limits(ROUTES))
    return 0


def _migrate(given: argparse.Namespace, rest: list[str]) -> int:
    from app.infra.postgres.migrate import direct_url, migrate_within
    from app.main import change_log_of, preparation

    settings = load_migration_settings()
    migrate_within(given.wait, direct_url(settings), preparation(), settings.statement_timeout_ms)
    if given.log_identity:
        print(change_log_of(direct_url(settings), given.log_identity))
    return 0


def _log_identity(given: argparse.Namespace, rest: list[str]) -> int:
    from app.infra.postgres.migrate import direct_url
    from app.main import change_log_of

    print(change_log_of(direct_url(load_migration_settings()), given.identity, lost=given.lost))
    return 0


def _seed(given: argparse.Namespace, rest: list[str]) -> int:
    try:
        from app.local.seed.command import Wanted, seed
    except ModuleNotFoundError as error:
        raise LocalError(f"the package {error.name} is missing, which the image does not have") from error

    return seed(Wanted(given.users, given.jobs, given.seed, given.in_production), given.state)


def _demo(given: argparse.Namespace, rest: list[str]) -> int:
    from app.local.demo import demo

    return demo(given.url)


def _openapi(given: argparse.Namespace, rest: list[str]) -> int:
    from app.routes import ROUTES
    from app.web.openapi.description import document

    print(json.dumps(document(ROUTES), indent=2))
    return 0


def _readme(given: argparse.Namespace, rest: list[str]) -> int:
    from app.local.readme import rewrite

    rewrite(given.root)
    return 0


def _connect_query(given: argparse.Namespace, rest: list[str]) -> int:
    from app.main import preparation

    print(preparation().connect_query)
    return 0


def _pgbouncer_config(given: argparse.Namespace, rest: list[str]) -> int:
    from app.infra.pgbouncer.watch import PgBouncerFiles, watch

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # PID 1 ignores SIGTERM without a handler
    files = PgBouncerFiles(load_pooler_settings, _own_connect_query(), given.out)
    files.write()
    if given.watch:
        configure_logging("INFO")
        watch(files)
    return 0


def _end_sessions(given: argparse.Namespace, rest: list[str]) -> int:
    from app.commands import end_sessions

    end_sessions(load_settings(), given.email, "python -m app sessions end")
    print(f"Every session of {given.email} has ended, and no worker accepts one of them any more.")
    return 0


def _set_admin(given: argparse.Namespace, rest: list[str]) -> int:
    from app.commands import set_admin

    granted = given.command == "admin grant"
    set_admin(load_settings(), given.email, granted, f"python -m app {given.command}")
    print(f"{given.email} may {'now' if granted else 'no longer'} administer the service.")
    return 0


def _own_connect_query() -> str:
    """Made by a separate process, so that this one does not keep the whole service in memory while it watches."""
    command = [sys.executable, "-m", "app", "connect-query"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()  # noqa: S603


COMMANDS = {
    "run": _run,
    "serve": _serve,
    "migrate": _migrate,
    "log-identity": _log_identity,
    "seed": _seed,
    "demo": _demo,
    "openapi": _openapi,
    "readme": _readme,
    "connect-query": _connect_query,
    "sessions end": _end_sessions,
    "admin grant": _set_admin,
    "admin revoke": _set_admin,
    "pgbouncer-config": _pgbouncer_config,
}

if __name__ == "__main__":
    sys.exit(main())
