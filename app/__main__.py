"""The command line: `python -m app COMMAND`."""

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from app.config import load_migration_settings, load_pooler_settings, load_settings
from app.errors import ConfigError, ProductError
from app.infra.logs import configure_logging
from app.local.process import LocalError

MAIL_COMMANDS = {
    "test": "send a mail to an address",
    "suppress": "send no more mail to an address",
    "allow": "send mail to an address again",
}


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
    commands.add_parser("worker", help="do background tasks, configured by the environment as the service")
    commands.add_parser("realtime", help="send events over WebSocket and SSE, configured by the environment")
    migrations = commands.add_parser("migrate", help="bring the database's schema up to date")
    migrations.add_argument(
        "--wait", type=float, default=0.0, metavar="SECONDS", help="how long to wait for the database to start"
    )
    migrations.add_argument("--log-identity", metavar="SERVER", help="then change the log of changes to this server")
    change = commands.add_parser("log-identity", help="show or change the log of changes that the database uses")
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
    demo.add_argument("--state", type=Path, default=Path(".run"), help="folder of the running service")
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
    tasks = commands.add_parser("tasks", help="list, show, retry or cancel background tasks").add_subparsers(
        required=True, metavar="list|show|retry|cancel"
    )
    listing = tasks.add_parser("list", help="numbers of each kind of task, and the newest tasks")
    listing.add_argument("--state", choices=("waiting", "running", "failed", "cancelled"))
    listing.add_argument("--task", metavar="NAME", help="such as mail.send")
    listing.set_defaults(command="tasks list")
    for name, doc in (
        ("show", "everything about a task, also its arguments"),
        ("retry", "have a failed, cancelled or waiting task done now"),
        ("cancel", "cancel a waiting task, interrupt a running one"),
    ):
        each = tasks.add_parser(name, help=doc)
        each.add_argument("id", type=int, help="number of the task")
        each.set_defaults(command=f"tasks {name}")
    feed = commands.add_parser("import", help="import a file with everything that a source of a company has")
    feed.add_argument("file", type=Path, metavar="FILE", help="NDJSON, or XML in Indeed's format")
    feed.add_argument("--company", required=True, metavar="SLUG", help="the company's slug")
    feed.add_argument("--source", required=True, metavar="NAME", help="name of the system that the file comes from")
    feed.add_argument("--force", action="store_true", help="close however many postings the file does not have")
    _add_mail(commands)
    pooler = commands.add_parser("pgbouncer-config", help="write the files of the PgBouncer beside the service")
    pooler.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    pooler.add_argument(
        "--watch", action="store_true", help="keep running, and write them again when a file named by a setting changes"
    )
    return parser


def _add_mail(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    mail = commands.add_parser("mail", help="send a mail as a test, or stop mail to an address").add_subparsers(
        required=True, metavar="test|suppress|allow"
    )
    for name, what in MAIL_COMMANDS.items():
        each = mail.add_parser(name, help=what)
        each.add_argument("email", help="the address")
        if name == "test":
            each.add_argument("--language", default="en", help="language of the mail")
        each.set_defaults(command=f"mail {name}")


def _run(given: argparse.Namespace, rest: list[str]) -> int:
    from app.local import run

    return run.main(rest)


def _serve(given: argparse.Namespace, rest: list[str]) -> int:
    from app.infra.machine.workers import slots_of, worker_count
    from app.infra.metrics.counters import Counters
    from app.infra.secrets.binding import check_at_start
    from app.jobs.codes.salaries import rates_in_use
    from app.mail.server import mail_target
    from app.main import create_app
    from app.routes import ROUTES, route_labels
    from app.server.gunicorn_app import open_answers, serve
    from app.web.body_limits import body_limits

    settings = load_settings()
    configure_logging(settings.log_level)
    mail_target(settings)
    check_at_start(settings)
    rates_in_use(settings.rates_file)
    counters = Counters.create(route_labels(), slots_of(worker_count(settings.workers)))
    answers = open_answers(settings)
    serve(settings, lambda slot: create_app(settings, counters, slot, answers), body_limits(ROUTES))
    return 0


def _worker(given: argparse.Namespace, rest: list[str]) -> int:
    from app.worker.duties import Parts
    from app.worker.process import work

    settings = load_settings()
    configure_logging(settings.log_level)
    parts = Parts(settings)
    return work(parts, parts.duties())


def _realtime(given: argparse.Namespace, rest: list[str]) -> int:
    from app.realtime.process import serve

    return serve(load_settings())


def _migrate(given: argparse.Namespace, rest: list[str]) -> int:
    from app.coherence.replace_log import change_log_of
    from app.infra.postgres.migrate import direct_url, migrate_within
    from app.main import preparation

    settings = load_migration_settings()
    migrate_within(given.wait, direct_url(settings), preparation(), settings.statement_timeout_ms)
    if given.log_identity:
        print(change_log_of(direct_url(settings), given.log_identity))
    return 0


def _log_identity(given: argparse.Namespace, rest: list[str]) -> int:
    from app.coherence.replace_log import change_log_of
    from app.infra.postgres.migrate import direct_url

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

    return demo(given.url, given.state)


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

    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # the ordinary end of watching
    files = PgBouncerFiles(load_pooler_settings, _own_connect_query, given.out)
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


def _tasks(given: argparse.Namespace, rest: list[str]) -> int:
    from app.worker.commands import administer_tasks

    administer_tasks(load_settings(), given.command.removeprefix("tasks "), given, print)
    return 0


def _import(given: argparse.Namespace, rest: list[str]) -> int:
    from app.commands import Feed, import_file
    from app.web.converters import is_source

    if not is_source(given.source):
        raise ConfigError("--source: small letters, digits and hyphens, at most 40")
    run = import_file(load_settings(), Feed(given.file, given.company, given.source, given.force))
    print(
        f"Run {run.id}: {run.created:,} created, {run.changed:,} changed, {run.unchanged:,} unchanged, "
        f"{run.refused:,} refused, {run.closed:,} closed."
    )
    if run.unnamed:
        print(f"{run.unnamed:,} lines have no readable external_id, so nothing was closed.")
    return 0


def _send_test_mail(given: argparse.Namespace, rest: list[str]) -> int:
    from app.worker.commands import send_test_mail

    print(send_test_mail(load_settings(), given.email, given.language))
    return 0


def _set_suppression(given: argparse.Namespace, rest: list[str]) -> int:
    from app.worker.commands import set_suppression

    print(set_suppression(load_settings(), given.email, given.command == "mail suppress"))
    return 0


def _own_connect_query() -> str:
    """Made by a separate process, so that this one does not keep the whole service in memory while it watches."""
    command = [sys.executable, "-m", "app", "connect-query"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()  # noqa: S603


COMMANDS = {
    "run": _run,
    "serve": _serve,
    "worker": _worker,
    "realtime": _realtime,
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
    "tasks list": _tasks,
    "tasks show": _tasks,
    "tasks retry": _tasks,
    "tasks cancel": _tasks,
    "import": _import,
    "mail test": _send_test_mail,
    "mail suppress": _set_suppression,
    "mail allow": _set_suppression,
    "pgbouncer-config": _pgbouncer_config,
}

if __name__ == "__main__":
    # The first process of a container ignores SIGTERM without a handler, so that it would take its whole grace period.
    # Ends at once, as others do by default: a bare except of a module being imported could swallow SystemExit.
    signal.signal(signal.SIGTERM, lambda number, _: os._exit(128 + number))
    sys.exit(main())
