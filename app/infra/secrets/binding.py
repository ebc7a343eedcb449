"""Compares the secrets of this process with those that the database is used with."""

import logging
from pathlib import Path

from app.config import DatabaseTuning, Settings
from app.errors import Unavailable
from app.infra.postgres.database import Database
from app.infra.postgres.schema import current_version
from app.infra.secrets.identity import check_identity, fingerprint
from app.infra.secrets.key_ring import KeyRing

_ONE_CONNECTION = DatabaseTuning(pool_min=1, pool_max=1, acquire_timeout_ms=1000)
log = logging.getLogger(__name__)


def check_secrets(database: Database, pepper: str, keys: KeyRing) -> None:
    """Compare the pepper and the keys of this process with the recorded fingerprints; raises as `check_identity`."""
    check_identity(database, fingerprint(pepper.encode()), keys.fingerprints())


def check_at_start(settings: Settings) -> None:
    """Raise ConfigError if the keys cannot be read or the database was set up with another pepper.

    If the database does not answer or has no schema yet, the check of readiness compares them later.
    """
    keys = KeyRing(settings.keys_dir or Path(), settings.jwt_algorithm, settings.signing_kid)
    direct = not settings.pgbouncer_console_url
    database = Database(settings.database_url, _ONE_CONNECTION, prepared=False, direct=direct)
    try:
        if current_version(database) is not None:
            check_secrets(database, settings.pepper, keys)
    except Unavailable as error:
        log.warning("the database is not there yet: %s", error.detail)
    finally:
        database.close()
