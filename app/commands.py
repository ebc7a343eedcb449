"""Administrative commands of the command line that act on a running service."""

from app.auth.schemas import Client
from app.config import Settings
from app.infra.metrics.counters import Counters
from app.main import Parts


def end_sessions(settings: Settings, email: str, command: str) -> None:
    """End every session of an account; the audit log names `command`.

    Raises BadRequest, NotFound, NotFinal, Unavailable or ConfigError.
    """
    parts = Parts(settings, Counters.create([], slots=1))
    try:
        parts.confirm()
        parts.auth().end_sessions(email, Client(None, command, ""))
    finally:
        parts.close()


def set_admin(settings: Settings, email: str, admin: bool, command: str) -> None:
    """Grant or revoke administration; the audit log names `command`.

    Raises BadRequest, NotFound, Unavailable or ConfigError.
    """
    parts = Parts(settings, Counters.create([], slots=1))
    try:
        parts.confirm()
        parts.admin().set_admin(email, admin, Client(None, command, ""))
    finally:
        parts.close()
