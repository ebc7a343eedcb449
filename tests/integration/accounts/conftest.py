"""A service that sends mail to a real SMTP server, with a worker."""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from app.local.memcached import Memcached
from app.local.pgbouncer import PgBouncer
from app.local.postgres import Postgres
from app.local.process import Command, Process, becomes_true
from tests.api_client import Api, Person
from tests.service import CHECKOUT, Service
from tests.smtp import SmtpServer
from tests.sql import ask

PAGES = "https://jobs.example/account"
TUNING = {
    "passwords": {"bcrypt_cost": 4},
    "limits": {
        "logins_per_address": 0,
        "registrations_per_address": 0,
        "mail_requests_per_address": 0,
        "mail_requests_per_email": 0,
    },
}


@dataclass
class Mailed:
    """The service, and the mail that its worker has sent."""

    api: Api
    server: SmtpServer
    service: Service

    def to(self, email: str, subject: str) -> list[EmailMessage]:
        """The mails to an address whose subject contains `subject`, the newest last."""
        return [each for each in self.server.plan.received if each["To"] == email and subject in each["Subject"]]

    def wait(self, email: str, subject: str, number: int = 1) -> EmailMessage:
        """The newest mail, once there are `number`."""
        assert becomes_true(lambda: len(self.to(email, subject)) >= number, 30.0), (email, subject)
        return self.to(email, subject)[-1]

    def token(self, email: str, subject: str, number: int = 1) -> str:
        """The token of the link in such a mail."""
        return token_of(self.wait(email, subject, number))

    def quiet(self) -> None:
        """Wait until the worker has nothing to do."""
        sql = "SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"
        assert becomes_true(lambda: self.api.query(sql, ()) == [(0,)], 30.0), "tasks are left"

    def verified(self) -> Person:
        """A new account that has proven its address and is logged in."""
        person = self.api.register()
        answer = self.api.post("auth/verify", {"token": self.token(person.email, "Confirm your")})
        assert answer.status_code == 204, answer.text
        return person.log_in()


def token_of(mail: EmailMessage) -> str:
    """The token of the only link of a mail; text and HTML have the same."""
    links: set[str] = set(re.findall(rf"{PAGES}/\S+", mail.get_body(("plain",)).get_content()))  # type: ignore[union-attr]
    (link,) = links
    assert link in mail.get_body(("html",)).get_content()  # type: ignore[union-attr]
    return parse_qs(urlsplit(link).query)["token"][0]


def start_worker(folder: Path, variables: dict[str, str]) -> Process:
    """`python -m app worker` with the settings of the service."""
    command = [sys.executable, "-m", "app", "worker"]
    environment = variables | {"TASKS_PORT": "0"}
    return Process("the worker", Command(command, folder / "worker.log", environment=environment, folder=CHECKOUT))


@pytest.fixture(scope="session")
def mailed(
    tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, pgbouncer: PgBouncer, migrated: str
) -> Iterator[Mailed]:
    name = "mailed"
    direct_url = postgres.create_database(name, template=migrated)
    folder: Path = tmp_path_factory.mktemp(name)
    tuning = folder / "tuning.json"
    tuning.write_text(json.dumps(TUNING))

    def query(sql: str, parameters: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        return ask(direct_url, sql, parameters)

    with SmtpServer() as server, Memcached() as cache:
        variables = {
            "WORKERS": "2",
            "TUNING_FILE": str(tuning),
            "DATABASE_URL": pgbouncer.url_of(name),
            "PGBOUNCER_CONSOLE_URL": pgbouncer.console_url,
            "MEMCACHED_SERVERS": cache.address,
            "MAIL_URL": server.url,
            "MAIL_FROM": "Jobs <no-reply@jobs.example>",
            "ACCOUNT_PAGES_URL": PAGES,
        }
        with Service(folder, variables) as service:
            worker = start_worker(folder, service.variables)
            try:
                yield Mailed(Api(service.url, query, service.variables), server, service)
            finally:
                worker.end(grace_s=10)
    postgres.drop_database(name)
