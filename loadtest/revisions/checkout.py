"""Sets up another commit of this project next to this checkout, and runs its service."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

from app.local.development import secret_files
from app.local.memcached import Memcached
from app.local.pgbouncer import PgBouncer
from app.local.postgres import Postgres, free_port
from app.local.process import Command, LocalError, Process
from loadtest.bed import CHECKOUT, LIMITS, PASSWORD, START_S, Service

_PREPARATION = "from app.main import preparation; print(preparation().connect_query)"
_LIMITS = "from app.config import Limits; print(*Limits.__struct_fields__)"


@dataclass(frozen=True)
class Side:
    """The service of one revision with `users` registered users, its smallest handler, and a token of user 1."""

    service: Service
    hello: Service
    token: str
    ids: tuple[int, ...]


@dataclass(frozen=True)
class Checkout:
    """A folder of the project with a virtual environment of its own."""

    folder: Path
    python: Path

    def output(self, *arguments: str, **environment: str) -> str:
        """What its Python prints. Raises LocalError."""
        command = [str(self.python), *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=os.environ | environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise LocalError(f"{' '.join(arguments[:3])} of {self.folder.name} failed: {done.stderr[-1000:]}")
        return done.stdout.strip()


def present() -> Checkout:
    """This checkout, including uncommitted changes."""
    return Checkout(CHECKOUT, Path(sys.executable))


def earlier(commit: str) -> Checkout:
    """`commit`, set up by its own setup.sh and kept in the cache folder. Raises LocalError."""
    named = subprocess.run(
        ["git", "rev-parse", "--verify", f"{commit}^{{commit}}"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    if named.returncode:
        raise LocalError(f"git knows no commit {commit}")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jobfinder" / "revisions"
    folder = cache / named.stdout.strip()
    if not folder.exists():
        packed = subprocess.run(["git", "archive", folder.name], cwd=CHECKOUT, capture_output=True, check=True).stdout
        new = folder.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)
        with tarfile.open(fileobj=BytesIO(packed)) as archive:
            archive.extractall(new)  # noqa: S202 - our own commit; Python 3.11.2 knows no filter
        new.rename(folder)
    if subprocess.call(["bash", "app/local/setup.sh", "bench"], cwd=folder, stdout=sys.stderr):
        raise LocalError(f"{folder.name} could not be set up")
    return Checkout(folder, folder / ".venv/bin/python")


@dataclass(frozen=True)
class Ground:
    """The PostgreSQL, PgBouncer and memcached of one checkout, with registered users, for services started anew."""

    checkout: Checkout
    folder: Path
    environment: dict[str, str]
    ids: tuple[int, ...]

    @contextmanager
    def services(self) -> Iterator[Side]:
        """New processes; user 1 is logged in."""
        with self.serving("/api/v1/health/ready", ["-m", "app", "serve"]) as service:
            servers = self.environment["DATABASE_URL"], self.environment["MEMCACHED_SERVERS"]
            with self.serving("/hello", ["-m", "loadtest.serving.ours", "{port}", *servers]) as hello:
                yield Side(service, hello, service.login(_email(1)), self.ids)

    @contextmanager
    def serving(self, path: str, arguments: list[str]) -> Iterator[Service]:
        """A Python program of the checkout that answers `path` when it is ready."""
        port = free_port()
        given = [str(self.checkout.python), *(each.format(port=port) for each in arguments)]
        variables = os.environ | {"PYTHONPATH": str(self.checkout.folder), "PORT": str(port)} | self.environment
        log = self.folder / f"{arguments[1]}.log"
        command = Command(given, log=log, environment=variables, folder=self.checkout.folder)
        process = Process(f"{arguments[1]} of {self.checkout.folder.name}", command)
        service = Service(process, port)
        try:
            process.wait_until(lambda: service.ready(path), START_S)
            yield service
        finally:
            process.end()


@contextmanager
def ground(checkout: Checkout, folder: Path, users: int) -> Iterator[Ground]:
    """Each side has its own servers, so neither sees data of the other."""
    folder.mkdir(mode=0o711)
    with ExitStack() as stack:
        postgres = stack.enter_context(Postgres(folder / "postgres", durable=False))
        checkout.output("-m", "app", "migrate", DATABASE_DIRECT_URL=postgres.direct_url)
        pooler = stack.enter_context(PgBouncer(postgres, [checkout.output("-c", _PREPARATION)]))
        cache = stack.enter_context(Memcached())
        tuning = folder / "tuning.json"
        # A service refuses a tuning file with a limit that it does not know, and then counts no requests at all.
        limits = {name: LIMITS[name] for name in checkout.output("-c", _LIMITS).split() if name in LIMITS}
        tuning.write_text(json.dumps({"limits": limits, "passwords": {"bcrypt_cost": 4}, "generation": 1}))
        environment = secret_files(folder) | {
            "ENVIRONMENT": "development",
            "WORKERS": "1",
            "DATABASE_URL": pooler.url,
            "DATABASE_DIRECT_URL": postgres.direct_url,
            "PGBOUNCER_CONSOLE_URL": pooler.console_url,
            "MEMCACHED_SERVERS": cache.address,
            "TUNING_FILE": str(tuning),
            "ACCESS_TOKEN_SECONDS": "7200",
        }
        empty = Ground(checkout, folder, environment, ())
        with empty.serving("/api/v1/health/ready", ["-m", "app", "serve"]) as service:
            ids = tuple(_register(service, number) for number in range(1, users + 1))
        yield replace(empty, ids=ids)


def _register(service: Service, number: int) -> int:
    person = {"email": _email(number), "password": PASSWORD, "name": "Ada Byron"}
    answer = service.ask("POST", "/api/v1/auth/register", body=person)
    if answer.status != 201:
        raise LocalError(f"registration was answered with {answer.status}: {answer.body[:200].decode()}")
    return int(answer.json()["id"])


def _email(number: int) -> str:
    return f"user{number}@example.com"
