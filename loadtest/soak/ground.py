"""Everything that runs during the test on one bed: service, task worker, gateway, mail server, and what loads them."""

import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from app.local.postgres import free_port
from app.local.process import Server
from loadtest.bed import START_S, Bed, Service
from loadtest.connections.__main__ import worker_pids
from loadtest.peers.reads import add_postings, open_pages
from loadtest.peers.sides import OURS, Side
from loadtest.realtime.__main__ import gateway
from loadtest.soak.alerting import EVERY_S, LINKS, PAGES, Alerts, Mailbox, Newcomers, repeatedly
from loadtest.soak.chores import CHANGES_EVERY_S, SMALL, Changes, Imports, Rotation, Tuning
from loadtest.soak.mix import Mix, Offers, visitors
from loadtest.soak.people import Client
from loadtest.soak.record import Record
from loadtest.soak.sampling import Pids
from loadtest.soak.schedule import Schedule
from loadtest.soak.streams import Streams
from tests.smtp import SmtpServer

WORKERS, SEARCHES = 2, 60
NEWCOMERS_EVERY_S, STREAMS_EVERY_S = 5.0, 1.0
PROCESSES = ("service", "worker 1", "worker 2", "task worker", "realtime gateway", "PgBouncer", "memcached")
POSTGRES = "PostgreSQL"
COSTED = {"workers": ("worker 1", "worker 2"), "PgBouncer": ("PgBouncer",), "memcached": ("memcached",)}
"""What works by requests; the workers together, as their shares of the connections change."""

SHED = "too many passwords are being checked"
_BAD = re.compile(r"\b(?:WARNING|ERROR|CRITICAL)\b|^Traceback", re.MULTILINE)


class Ground:
    """The running processes, by name."""

    def __init__(self, bed: Bed, mail: SmtpServer, service: Service, tasks: Service, realtime: Service) -> None:
        self.bed, self.mail = bed, mail
        self.service, self.tasks, self.realtime = service, tasks, realtime

    @classmethod
    @contextmanager
    def opened(cls, schedule: Schedule) -> Iterator["Ground"]:
        """Raises LocalError."""
        with ExitStack() as stack:
            bed = stack.enter_context(Bed.opened())
            mail = stack.enter_context(SmtpServer())
            bed.environment |= {
                "MALLOC_ARENA_MAX": "2",  # as in the image
                "WORKERS": str(WORKERS),
                "ACCESS_TOKEN_SECONDS": str(schedule.token_s),
                "MAIL_URL": mail.url,
                "MAIL_FROM": "Jobs <no-reply@jobs.example>",
                "ACCOUNT_PAGES_URL": LINKS,
                "JOB_PAGES_URL": PAGES + "{id}",
            }
            bed.write_tuning(SMALL)
            service = stack.enter_context(bed.service())
            tasks = stack.enter_context(task_worker(bed))
            yield cls(bed, mail, service, tasks, stack.enter_context(gateway(bed)))

    def programs(self) -> dict[str, Pids]:
        """The process ids of each program; only PostgreSQL's change while nothing fails."""
        workers = worker_pids(self.service)
        fixed = [self.service.process.pid, *workers, self.tasks.process.pid, self.realtime.process.pid]
        fixed += [_pid(self.bed.pooler), _pid(self.bed.cache)]
        found: dict[str, Pids] = {name: partial(_same, [pid]) for name, pid in zip(PROCESSES, fixed, strict=True)}
        found[POSTGRES] = lambda: [_pid(self.bed.postgres), *self.bed.postgres.backends()]
        return found

    def pids(self) -> list[int]:
        """Of the processes that must not be replaced."""
        return [pid for name, pids in self.programs().items() if name != POSTGRES for pid in pids()]

    def complaints(self) -> list[str]:
        """Warnings and errors in the logs of our processes, but for refusals that are counted elsewhere."""
        logs = sorted(Path(self.bed.folder).glob("*.log"))
        return [
            f"{log.stem}: {line}" for log in logs for line in log.read_text(errors="replace").splitlines()
            if _BAD.search(line) and SHED not in line
        ]  # fmt: skip


class Load:
    """All that uses the service; `stop` returns when every thread has ended."""

    def __init__(self, ground: Ground, schedule: Schedule, record: Record) -> None:
        self.record, self._ground, self._schedule = record, ground, schedule
        self._over, self._threads = threading.Event(), list[threading.Thread]()
        port, token_s, bed = ground.service.port, schedule.token_s, ground.bed
        mailbox = Mailbox(ground.mail)
        self._offers = Offers(add_postings(bed, SEARCHES), open_pages(Side(OURS, ground.service, [])))
        self.alerts = Alerts(Client(port, record), mailbox, self._offers, token_s)
        self.newcomers = Newcomers(Client(port, record), mailbox)
        self.imports = Imports(bed, record)
        self._changes = Changes(bed, schedule.warm_up_s)
        url = f"ws://127.0.0.1:{ground.realtime.port}/api/v1/realtime"
        self._streams = Streams(Client(port, record), record, url, token_s)
        ports = [port, int(bed.environment["TASKS_PORT"]), ground.realtime.port]
        self._tuning = Tuning(bed, record, ports)
        keys = Path(bed.environment["KEYS_DIR"])
        self._rotation = Rotation(keys, record, token_s, self._over.wait, port)
        self._visitors = visitors(port, record, self._offers, token_s)
        self.alerts.prepare()
        self.imports.prepare()

    def start(self) -> None:
        """Begin with everything."""
        schedule, over, record = self._schedule, self._over, self.record
        for step, every_s, name in (
            (self.alerts.step, EVERY_S, "postings"),
            (self.newcomers.step, NEWCOMERS_EVERY_S, "newcomers"),
            (self._streams.step, STREAMS_EVERY_S, "streams"),
            (self._tuning.step, schedule.tune_every_s, "live edit"),
            (self._rotation.step, 1.0, "key rotation"),
            (self.imports.step, schedule.import_every_s, "import"),
            (self._changes.step, CHANGES_EVERY_S, "changes"),
        ):
            self._threads.append(repeatedly(step, every_s, over, record, name))
        self._threads += Mix(self._visitors, schedule.rate).run(over)

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._streams.close()

    def check_dead(self) -> int:
        """Try every remembered token of an ended session again; returns how many, all of which were refused."""
        clients = [each.client for each in self._visitors]
        clients += [self._streams.client, self.newcomers.client]
        return sum(client.check_all_dead() for client in clients)


@contextmanager
def task_worker(bed: Bed) -> Iterator[Service]:
    """The task worker on the servers of the bed, with its periodic upkeep."""
    port = free_port()
    bed.environment["TASKS_PORT"] = str(port)
    with bed.running("the task worker", ["-m", "app", "worker"], port) as service:
        service.process.wait_until(lambda: service.ready("/health/ready"), START_S)
        yield service


def _same(pids: list[int]) -> list[int]:
    return pids


def _pid(server: Server) -> int:
    assert server.process is not None, "it has been started"  # noqa: S101
    return server.process.pid
