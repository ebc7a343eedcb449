"""The services that are compared, on the same database, with the tokens that each of them accepts."""

import secrets
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from app.auth.tokens import AccessTokens
from app.config import Passwords
from app.infra.secrets.key_ring import KeyRing
from app.local.postgres import free_port
from app.local.process import LocalError, becomes_true
from loadtest.bed import ME, START_S, Bed, Service
from loadtest.peers.tokens import PeerTokens
from loadtest.store import insert_sessions

OURS, RUST, FASTAPI, DJANGO = "jobfinder", "Rust", "FastAPI", "Django"
TOKENS = 10_000
SETTLED_S = 20.0
_QUIET_S, _QUIET_SHARE = 0.25, 0.1
Sessions = Sequence[tuple[int, int]]


def _unsigned(sessions: Sessions) -> list[str]:
    raise NotImplementedError


@dataclass(frozen=True)
class Side:
    """One service; `tokens` are of different users, the first is that of user 1.

    `sign` makes access tokens of (user, session).
    """

    name: str
    service: Service
    tokens: Sequence[str]
    sign: Callable[[Sessions], list[str]] = _unsigned


@dataclass(frozen=True)
class Peer:
    """How another stack is started."""

    name: str
    program: str | Path
    arguments: Sequence[str] = ()


_GUNICORN = ["-m", "gunicorn", "-c", "python:loadtest.peers.django.serving", "loadtest.peers.django.wsgi:application"]
PYTHON_PEERS = (
    Peer(FASTAPI, sys.executable, ["-m", "loadtest.peers.fastapi"]),
    Peer(DJANGO, sys.executable, _GUNICORN),
)


@contextmanager
def opened(bed: Bed, rust: Path | None) -> Iterator[list[Side]]:
    """Our service with one worker, the Rust peer if it could be built, and the other peers."""
    sessions = insert_sessions(bed.postgres.direct_url, TOKENS)
    peers = PYTHON_PEERS if rust is None else (Peer(RUST, rust), *PYTHON_PEERS)
    with ExitStack() as stack:
        sign = partial(issued, bed)
        ours = Side(OURS, stack.enter_context(bed.service()), sign(sessions), sign)
        yield [ours, *(stack.enter_context(_started(bed, each, sessions)) for each in peers)]


@contextmanager
def _started(bed: Bed, peer: Peer, sessions: Sessions) -> Iterator[Side]:
    """One process, as our service has one worker; bcrypt has threads of its own."""
    port, tokens = free_port(), PeerTokens(secrets.token_hex(32))
    environment = bed.environment | _environment(bed, tokens.secret, port)

    def sign(sessions: Sessions) -> list[str]:
        return [tokens.issue(*each) for each in sessions]

    with bed.running(f"the peer {peer.name}", list(peer.arguments), port, environment, peer.program) as service:
        side = Side(peer.name, service, sign(sessions), sign)
        service.process.wait_until(lambda: service.ready(ME, side.tokens[0]), START_S)
        _check_logout(side)
        yield side


def _environment(bed: Bed, secret: str, port: int) -> dict[str, str]:
    server = bed.postgres.connection
    return {
        "PORT": str(port),
        "PGHOST": server["host"],
        "PGPORT": server["port"],
        "PGUSER": server["user"],
        "PGDATABASE": server["user"],
        "PEPPER": bed.settings.pepper,
        "JWT_SECRET": secret,
        "BCRYPT_COST": str(Passwords().bcrypt_cost),
        "WORKER_THREADS": "1",
    }


def settle(side: Side) -> bool:
    """Wait until a side has answered or given up what it was sent; False if that takes too long."""
    return becomes_true(lambda: _quiet(side), SETTLED_S)


def _quiet(side: Side) -> bool:
    before = side.service.processor_seconds()
    time.sleep(_QUIET_S)
    return side.service.processor_seconds() - before < _QUIET_SHARE * _QUIET_S


def issued(bed: Bed, sessions: Sessions) -> list[str]:
    """Access tokens of these (user, session) for our service."""
    settings = bed.settings
    assert settings.keys_dir is not None, "required by load_settings"  # noqa: S101
    tokens = AccessTokens(KeyRing(settings.keys_dir, settings.jwt_algorithm, settings.signing_kid), settings)
    return [tokens.issue(*each) for each in sessions]


def _check_logout(side: Side) -> None:
    """Raises LocalError unless a new account can log in, and its token is refused after its logout."""
    service, email = side.service, f"peer{secrets.token_hex(4)}@example.com"
    person = {"email": email, "password": "a long walk in the rain", "name": "Ada Byron"}
    registered = service.ask("POST", "/api/v1/auth/register", body=person).status
    token = service.login(email)
    before, left = service.ready(ME, token), service.ask("POST", "/api/v1/auth/logout", token).status
    if (registered, before, left, service.ready(ME, token)) != (201, True, 204, False):
        raise LocalError(f"the {side.name} peer does not register, log in and log out as it should")
