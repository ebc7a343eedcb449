"""Binds a database to one set of secrets, by fingerprints of the pepper and of each token key."""

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
    """32 bytes that identify a pepper without revealing it."""
    return hmac.digest(pepper, b"jobfinder fingerprint of the pepper", hashlib.sha256)


def check_identity(database: Database, pepper: bytes, keys: Mapping[str, str] | None = None) -> None:
    """Compare with the recorded fingerprints; `pepper` is a `fingerprint`, `keys` are those of a KeyRing by key id.

    Raises ConfigError when the pepper differs, as no password would match. A key that has replaced another one of the
    same name is only logged: tokens signed with the old one are refused from now on.
    """
    row = database.one(REMEMBER, pepper, Json(dict(keys or {})))
    if row is None:
        raise ConfigError("the database has no record of its PEPPER")
    if not hmac.compare_digest(bytes(row[0]), pepper):
        raise ConfigError("PEPPER: this database is used with another one; no password would match with this one")
    for kid, known in row[1].items():
        if keys and keys.get(kid, known) != known:
            log.warning("the key %s has been replaced; tokens signed with the former one are refused", kid)
