"""What an administrator does by the command line to a running service."""

from app.auth.schemas import Client
from app.config import Settings
from app.infra.metrics.counters import Counters
from app.main import Parts


def end_sessions(settings: Settings, email: str, command: str) -> None:
    """What an administrator asks for by `command`; raises NotFound, NotFinal, Unavailable or ConfigError."""
    parts = Parts(settings, Counters.create([], slots=1))
    try:
        parts.confirm()
        parts.auth().end_sessions(email, Client(None, command, ""))
    finally:
        parts.close()


def set_admin(settings: Settings, email: str, admin: bool, command: str) -> None:
    """Let an account administer the service, or no longer; raises NotFound, BadRequest, Unavailable or ConfigError."""
    parts = Parts(settings, Counters.create([], slots=1))
    try:
        parts.confirm()
        parts.admin().set_admin(email, admin, Client(None, command, ""))
    finally:
        parts.close()
