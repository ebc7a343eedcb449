"""What ties a database to one set of secrets: a fingerprint of the pepper, and of each token key by its name."""

import hashlib
import hmac
import logging
from collections.abc import Mapping

from psycopg2.extras import Json

from app.errors import ConfigError
from app.infra.postgres.database import Database

log = logging.getLogger(__name__)

REMEMBER = """
INSERT INTO service_identity AS known (pepper_fingerprint, key_fingerprints) VALUES (%s, %s)
ON CONFLICT (singleton) DO UPDATE SET key_fingerprints = excluded.key_fingerprints || known.key_fingerprints
RETURNING pepper_fingerprint, key_fingerprints
"""


def fingerprint(pepper: bytes) -> bytes:
    """32 bytes that tell peppers apart and reveal nothing of them."""
    return hmac.digest(pepper, b"jobfinder fingerprint of the pepper", hashlib.sha256)


def check_identity(database: Database, pepper: bytes, keys: Mapping[str, str] | None = None) -> None:
    """Compare with what the database was first used with; `pepper` is its `fingerprint`, `keys` those of a KeyRing.

    Raises ConfigError for another pepper, with which no password would be right. A key that replaced another one of
    the same name is only logged: tokens signed with that one are refused from now on.
    """
    row = database.one(REMEMBER, pepper, Json(dict(keys or {})))
    if row is None:
        raise ConfigError("the database does not remember with which PEPPER it is used")
    if not hmac.compare_digest(bytes(row[0]), pepper):
        raise ConfigError("PEPPER: this database is used with another one; with this one every password would be wrong")
    for kid, known in row[1].items():
        if keys and keys.get(kid, known) != known:
            log.warning("the key %s is another one than before; tokens signed with that are refused", kid)
