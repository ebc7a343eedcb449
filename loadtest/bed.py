"""The servers that are measured: new PostgreSQL, PgBouncer and memcached, our service, its peers."""

import json
import os
import re
import shutil
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from app.coherence.replace_log import adopt_log
from app.config import Passwords, Settings, Tuning, load_settings
from app.infra.postgres.database import Database
from app.infra.postgres.migrate import migrate
from app.infra.secrets.passwords import PasswordHasher
from app.local.development import secret_files
from app.local.memcached import Memcached
from app.local.pgbouncer import PgBouncer
from app.local.postgres import Postgres, free_port
from app.local.process import Command, LocalError, Process, becomes_true
from app.main import preparation
from app.users.store import UserStore
from loadtest.client import Answer, Connection, encoded
from loadtest.processes import processor_seconds
from loadtest.store import replace_hashes

CHECKOUT = Path(__file__).resolve().parents[1]
START_S = 30.0
ME = "/api/v1/users/me"
USERS = 10_000
PASSWORD = "a long walk in the rain"  # noqa: S105 - of made-up people

# Rate limits count as in production but are never reached: every request includes the cost of counting.
_UNREACHED = 1_000_000_000
LIMITS = {
    "login_failures_per_account": _UNREACHED,
    "logins_per_address": _UNREACHED,
    "registrations_per_address": _UNREACHED,
    "open_requests_per_address": _UNREACHED,
    "requests_per_user": _UNREACHED,
}


class Service:
    """A server process on its own port, with a keep-alive connection to it."""

    def __init__(self, process: Process, port: int) -> None:
        self.process, self.port = process, port
        self._connection = Connection(port)

    def ask(self, method: str, path: str, token: str = "", body: object = None) -> Answer:
        """Send one request; raises OSError."""
        return self._connection.exchange(encoded(method, path, token, body))

    def ready(self, path: str, token: str = "") -> bool:
        try:
            return self.ask("GET", path, token).status == 200
        except OSError:
            return False

    def login(self, email: str, password: str = PASSWORD) -> str:
        """An access token; raises LocalError."""
        answer = self.ask("POST", "/api/v1/auth/login", body={"email": email, "password": password})
        if answer.status != 200:
            raise LocalError(f"login of {email} was answered with {answer.status}: {answer.body.decode()}")
        return str(answer.json()["access_token"])

    def worker(self) -> int:
        """The process id of the one worker."""
        children = _children(self.process.pid)
        if len(children) != 1:
            raise LocalError(f"one worker was expected, there are {len(children)}")
        return children[0]

    def processor_seconds(self) -> float:
        """CPU time of the process and its running children, user and system."""
        return sum(map(processor_seconds, [self.process.pid, *_children(self.process.pid)]))


class Bed:
    """The backend servers with `USERS` seeded users; `service` and `peer` start the services on them.

    `home` has data and secrets of an earlier run, `settings` are those of PostgreSQL.
    """

    def __init__(self, stack: ExitStack, home: Path | None = None, settings: Mapping[str, str] | None = None) -> None:
        self._stack = stack
        self.folder = Path(tempfile.mkdtemp(prefix="jobfinder-bench-"))
        self.folder.chmod(0o711)
        stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self._generation = 0
        kept = home or self.folder
        self.postgres = stack.enter_context(Postgres(kept / "postgres", durable=False, settings=settings))
        migrate(self.postgres.direct_url, preparation())
        self.pooler = pooler = stack.enter_context(PgBouncer(self.postgres, [preparation().connect_query]))
        self.cache = cache = stack.enter_context(Memcached())
        adopt_log(self.postgres.direct_url, cache.address, alone=True)
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self.environment = inherited | secret_files(kept) | {
            "ENVIRONMENT": "production",
            "WORKER": "meinheld",
            "WORKERS": "1",
            "DATABASE_URL": pooler.url,
            "DATABASE_DIRECT_URL": self.postgres.direct_url,
            "PGBOUNCER_CONSOLE_URL": pooler.console_url,
            "MEMCACHED_SERVERS": cache.address,
            "TUNING_FILE": str(self.folder / "tuning.json"),
            "ACCESS_TOKEN_SECONDS": "7200",
        }  # fmt: skip
        self.write_tuning({})
        self._seed()

    @classmethod
    @contextmanager
    def opened(cls, home: Path | None = None, settings: Mapping[str, str] | None = None) -> Iterator[Self]:
        with ExitStack() as stack:
            yield cls(stack, home, settings)

    @property
    def settings(self) -> Settings:
        """The settings that the service starts with."""
        return load_settings(self.environment)

    @contextmanager
    def service(self, **variables: str) -> Iterator[Service]:
        """Our service with one new worker; `variables` are added to its environment."""
        port = free_port()
        environment = self.environment | {"PORT": str(port)} | variables
        with self.running("the service", ["-m", "app", "serve"], port, environment) as service:
            service.process.wait_until(lambda: service.ready("/api/v1/health/ready"), START_S)
            yield service

    @contextmanager
    def peer(self, module: str, path: str, token: str, *options: str) -> Iterator[Service]:
        """A service of this module that takes our tokens; it is ready when it answers `path` with 200."""
        port = free_port()
        arguments = ["-m", module, "--port", str(port), "--database", self.postgres.direct_url]
        arguments += ["--public-key", str(self._public_key()), *options]
        with self.running(f"the peer {module.rpartition('.')[2]}", arguments, port) as service:
            service.process.wait_until(lambda: service.ready(path, token), START_S)
            yield service

    def write_tuning(self, tuning: Mapping[str, Any]) -> int:
        """Replace the tuning file; returns its generation."""
        self._generation += 1
        new = self.folder / "tuning.new"
        new.write_text(json.dumps({"limits": LIMITS} | dict(tuning) | {"generation": self._generation}))
        new.rename(self.folder / "tuning.json")
        return self._generation

    def tune(self, service: Service, tuning: Mapping[str, Any]) -> None:
        """Replace the tuning file and wait until the worker reports that it has applied it."""
        generation = self.write_tuning(tuning)
        applied = re.compile(rf"^jobfinder_tuning_generation\S* {generation}(\.0)?$", re.MULTILINE)
        if not becomes_true(lambda: bool(applied.search(_metrics(service))), START_S):
            raise LocalError("the worker did not apply the tuning file")

    @contextmanager
    def running(
        self, name: str, arguments: list[str], port: int, environment: Mapping[str, str] | None = None,
        program: str | Path = sys.executable,
    ) -> Iterator[Service]:  # fmt: skip
        """A program that serves on `port`, by default a Python module."""
        log = self.folder / f"{name.rpartition(' ')[2]}.log"
        command = Command([program, *arguments], log=log, environment=environment or self.environment, folder=CHECKOUT)
        process = Process(name, command)
        try:
            yield Service(process, port)
        finally:
            process.end()

    def _public_key(self) -> Path:
        """Path of a PEM file with the public key for our service's tokens."""
        path = self.folder / "public.pem"
        (private,) = Path(self.environment["KEYS_DIR"]).glob("*.pem")
        key = load_pem_private_key(private.read_bytes(), None).public_key()
        path.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        return path

    def set_bcrypt_cost(self, cost: int = Passwords().bcrypt_cost) -> None:
        """Give every user a hash of `PASSWORD` with this cost."""
        replace_hashes(self.postgres.direct_url, self._hash(cost))

    def _hash(self, cost: int) -> bytes:
        hasher = PasswordHasher(self.settings.pepper.encode(), Passwords(bcrypt_cost=cost))
        try:
            return hasher.hash(PASSWORD)
        finally:
            hasher.close()

    def _seed(self) -> None:
        database = Database(self.settings.database_url, Tuning().database, prepared=False)
        people = [(f"user{number}@example.com", "Ada Byron", "Backend engineer") for number in range(1, USERS + 1)]
        UserStore(database).insert_made_up(people, self._hash(Passwords().bcrypt_cost))
        database.close()


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _metrics(service: Service) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{service.port}/metrics", timeout=5) as answer:
        return str(answer.read().decode())
