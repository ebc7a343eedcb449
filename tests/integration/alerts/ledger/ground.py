"""A PostgreSQL, a PgBouncer, workers and a mail server that may all be harmed, and what is in the ledger afterwards."""

import json
import random
import signal
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from app.alerts.digests.content import key_of
from app.config import DatabaseTuning
from app.errors import Unavailable
from app.infra.postgres.database import Database
from app.infra.postgres.migrate import migrate
from app.infra.postgres.statements import Preparation
from app.local.pgbouncer import PgBouncer
from app.local.postgres import Postgres
from app.local.process import becomes_true
from app.mail.messages import message_id
from app.mail.server import sender_address
from tests.integration.alerts.ledger.rules import Copy, Digest, Record
from tests.integration.tasks.workers import TaskWorker
from tests.smtp import Fault, SmtpServer

SENDER = "Jobs <no-reply@jobs.example>"
WORKERS, SILENT_S = 2, 5
FAULTS: tuple[Fault, ...] = (
    ("connect", "drop"), ("MAIL", "451 later"), ("RCPT", "drop"), ("DATA", "drop"), ("content", "drop"),
    ("content", "451 later"), ("answer", "drop"), ("answer", "drop"),
)  # fmt: skip
FAULTY = 0.25
"""The share of connections to the mail server that have a fault."""

# Everybody is due, in another order than that in which matching locks accounts, so that it does not wait for each of
# them in turn.
HURRY = """
WITH locked AS MATERIALIZED (SELECT user_id FROM alert_account ORDER BY user_id FOR NO KEY UPDATE),
     searches AS (UPDATE saved_search SET due_at = now() WHERE due_at IS NOT NULL)
UPDATE alert_account a SET due_at = now() - random() * interval '1 second', mailed_at = NULL FROM locked
 WHERE locked.user_id = a.user_id
RETURNING clock_timestamp()
"""
HURRY_TASKS = """
UPDATE procrastinate_jobs SET scheduled_at = now()
 WHERE status = 'todo' AND task_name = 'alerts.send' AND scheduled_at > now()
"""
MATCHED = """
SELECT NOT EXISTS (SELECT FROM event e, alert_position p WHERE (e.era, e.xid, e.id) > (p.era, p.xid, p.id))
"""
PLACE = "SELECT era, xid::text, id FROM alert_position"
SERVED = "SELECT NOT EXISTS (SELECT FROM alert_account WHERE due_at <= now())"
SENT = "SELECT NOT EXISTS (SELECT FROM procrastinate_jobs WHERE task_name = 'alerts.send')"
# A deferred trigger runs when the transaction commits.
NOTE_MADE = """
CREATE TABLE made (digest bigint PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE FUNCTION note_made() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO made (digest) VALUES (NEW.id);
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER digest_made AFTER INSERT ON digest DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION note_made();
"""
DIGESTS = """
SELECT id, user_id, created_at, made.at, content::text, sent_at, dropped FROM digest JOIN made ON digest = id
 ORDER BY created_at, id
"""
LEDGER = "SELECT saved_search_id, cluster_id, digest_id FROM alert_sent"


class Ground:
    """`kills` are the times of the monotonic clock at which a worker was killed."""

    def __init__(self, folder: Path, started: ExitStack, seed: int) -> None:
        self.chance = random.Random(f"faults {seed}")
        self.postgres = started.enter_context(Postgres(folder / "postgres", durable=False))
        migrate(self.postgres.direct_url, Preparation([]))
        self.pgbouncer = started.enter_context(PgBouncer(self.postgres, pool_size=12))
        self.server = started.enter_context(SmtpServer())
        self.database = Database(self.postgres.direct_url, DatabaseTuning(), prepared=False, direct=True)
        started.callback(self.database.close)
        self.database.run(NOTE_MADE)
        tuning = folder / "tuning.json"
        tuning.write_text(json.dumps({"limits": {"mails": 0}}))
        tuning.chmod(0o644)
        variables = {
            "DATABASE_URL": self.pgbouncer.url,
            "PGBOUNCER_CONSOLE_URL": self.pgbouncer.console_url,
            "TASKS_SILENT_SECONDS": str(SILENT_S),
            "TUNING_FILE": str(tuning),
            "MAIL_URL": self.server.url,
            "MAIL_FROM": SENDER,
            "MAIL_TIMEOUT": "5",
            "ACCOUNT_PAGES_URL": "https://jobs.example/account",
        }
        self.workers = [TaskWorker(folder, variables) for _ in range(WORKERS)]
        self._started = started
        self.kills: list[float] = []
        self.hurries: list[datetime] = []

    def begin(self) -> None:
        """Start the workers, and let the mail server fail now and then."""
        self.server.plan.draw = self._fault
        for worker in self.workers:
            self._started.enter_context(worker)

    def harm(self) -> None:
        """One fault at random."""
        kinds = {
            self._kill_in_the_middle: 5,
            self.restart: 1,
            self.pgbouncer.restart: 1,
            self._refuse: 2,
            self.hurry: 3,
        }
        self.chance.choices(list(kinds), list(kinds.values()))[0]()

    def _refuse(self) -> None:
        self.server.refuse(True)

    def _kill_in_the_middle(self) -> None:
        """Kill a worker while mails are sent or events are matched, if any are left."""
        self.server.refuse(False)
        self.hurry()
        plan, place = self.server.plan, self.database.one(PLACE)
        until, began = plan.connections + self.chance.randrange(1, 12), plan.connections
        matching = self.chance.random() < 0.3

        def amid() -> bool:
            if matching and self.database.one(PLACE) != place:
                return True
            if plan.connections >= until:
                return True
            return plan.connections == began and all(self._true(sql) for sql in (MATCHED, SERVED, SENT))

        assert becomes_true(amid, 60.0), "the workers do nothing"
        self.kill(self.chance.randrange(WORKERS))

    def restart(self) -> None:
        """Restart PostgreSQL."""
        self.postgres.restart()
        assert becomes_true(lambda: self._true("SELECT true"), 30.0), "the database does not come back"

    def kill(self, number: int) -> None:
        """SIGKILL, and a new process."""
        process = self.workers[number].process
        assert process is not None
        process.end(signal.SIGKILL)
        self.kills.append(time.monotonic())
        self.workers[number].start()

    def hurry(self) -> None:
        """Let every wait be over."""
        rows = self.database.all(f"/* */ {HURRY}")
        self.hurries += [max(row[0] for row in rows)] if rows else []
        self.database.run(HURRY_TASKS)

    def settle(self) -> None:
        """End all faults and wait until everything is matched, made and sent."""
        self.server.plan.draw = None
        self.server.refuse(False)
        assert becomes_true(lambda: self._true(MATCHED), 120.0), "events are not matched"
        before = -1
        while before != (before := self._digests()):
            self.hurry()
            assert becomes_true(lambda: self._true(SERVED), 120.0), "accounts are not served"
        assert becomes_true(lambda: self.database.run(HURRY_TASKS) >= 0 and self._true(SENT), 120.0), "mails are left"

    def record(self) -> Record:
        """What came of it."""
        record = Record(sent=[(row[0], row[1], row[2]) for row in self.database.all(LEDGER)])
        rounds: list[list[int]] = [[] for _ in range(len(self.hurries) + 1)]
        names = {}
        for number, account, made, done, content, sent_at, dropped in self.database.all(DIGESTS):
            total = sum(part["total"] for part in json.loads(content)["parts"])
            record.digests[number] = Digest(total, made.timestamp(), done.timestamp())
            rounds[sum(at <= made for at in self.hurries)].append(account)
            names[message_id(key_of(number), sender_address(SENDER))] = number
            if dropped is not None and sent_at is None:
                record.dropped.add(number)
        record.rounds = rounds
        self._add_mails(record, names)
        return record

    def _add_mails(self, record: Record, names: dict[str, int]) -> None:
        taken = self.server.plan.taken
        restarted = any("the worker starts again" in worker.log.read_text() for worker in self.workers)
        times: dict[str, list[float]] = {}
        for each in taken:
            times.setdefault(str(each.mail["Message-ID"]), []).append(each.at)
        for each in taken:
            name = str(each.mail["Message-ID"])
            following = min((at for at in times[name] if at > each.at), default=each.at)
            killed = restarted or any(each.at <= at <= following for at in self.kills)
            copy = Copy(each.mail.as_bytes(), lost=killed or not each.answered)
            record.mails.setdefault(names.get(name, -1), []).append(copy)

    def _fault(self) -> Fault | None:
        return self.chance.choice(FAULTS) if self.chance.random() < FAULTY else None

    def _digests(self) -> int:
        row = self.database.one("SELECT count(*) FROM digest")
        return int(row[0]) if row else 0

    def _true(self, sql: str) -> bool:
        try:
            return self.database.one(sql) == (True,)
        except Unavailable:
            return False
