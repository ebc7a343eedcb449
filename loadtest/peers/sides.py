"""The services that are compared, on the same database, with the tokens that each of them accepts."""

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import jwt

from app.auth.tokens import AccessTokens
from app.config import Passwords
from app.infra.secrets.key_ring import KeyRing
from app.local.postgres import free_port
from app.local.process import LocalError
from loadtest.bed import ME, START_S, Bed, Service
from loadtest.store import insert_sessions

OURS, RUST, FASTAPI = "jobfinder", "Rust", "FastAPI"
TOKENS = 10_000
_LIFE_S = 7200


@dataclass(frozen=True)
class Side:
    """One service; `tokens` are of different users, the first is that of user 1."""

    name: str
    service: Service
    tokens: Sequence[str]


@contextmanager
def opened(bed: Bed, rust: Path | None) -> Iterator[list[Side]]:
    """Our service with one worker, the Rust peer if it could be built, and FastAPI with remembered tokens."""
    sessions = insert_sessions(bed.postgres.direct_url, TOKENS)
    own_tokens = issued(bed, sessions)
    with ExitStack() as stack:
        ours = stack.enter_context(bed.service())
        sides = [Side(OURS, ours, own_tokens)]
        if rust is not None:
            sides.append(stack.enter_context(_rust(bed, rust, sessions)))
        fastapi = stack.enter_context(bed.reference(own_tokens[0], "--remember"))
        yield [*sides, Side(FASTAPI, fastapi, own_tokens)]


@contextmanager
def _rust(bed: Bed, program: Path, sessions: Sequence[tuple[int, int]]) -> Iterator[Side]:
    """One process with one thread for requests, as our service has one worker; bcrypt has threads of its own."""
    port, secret = free_port(), secrets.token_hex(32)
    server = bed.postgres.connection
    environment = {
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
    tokens = [_signed(secret, *each) for each in sessions]
    with bed.running("the peer rust", [], port, environment, program) as service:
        service.process.wait_until(lambda: service.ready(ME, tokens[0]), START_S)
        _check_logout(service)
        yield Side(RUST, service, tokens)


def _signed(secret: str, user_id: int, session_id: int) -> str:
    claims = {"iss": "jobfinder", "aud": "jobfinder-api", "sub": str(user_id), "sid": str(session_id)}
    return jwt.encode(claims | {"exp": int(time.time()) + _LIFE_S}, secret, "HS256")


def issued(bed: Bed, sessions: Sequence[tuple[int, int]]) -> list[str]:
    """Access tokens of these (user, session) for our service and for FastAPI."""
    settings = bed.settings
    assert settings.keys_dir is not None, "required by load_settings"  # noqa: S101
    tokens = AccessTokens(KeyRing(settings.keys_dir, settings.jwt_algorithm, settings.signing_kid), settings)
    return [tokens.issue(*each) for each in sessions]


def _check_logout(service: Service) -> None:
    """Raises LocalError unless a new account can log in, and its token is refused after its logout."""
    email = f"peer{secrets.token_hex(4)}@example.com"
    person = {"email": email, "password": "a long walk in the rain", "name": "Ada Byron"}
    registered = service.ask("POST", "/api/v1/auth/register", body=person).status
    token = service.login(email)
    before, left = service.ready(ME, token), service.ask("POST", "/api/v1/auth/logout", token).status
    if (registered, before, left, service.ready(ME, token)) != (201, True, 204, False):
        raise LocalError("the Rust peer does not register, log in and log out as it should")
