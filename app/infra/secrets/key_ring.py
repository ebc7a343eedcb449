"""Keys of access tokens, loaded from a folder and reloaded when it changes."""

import base64
import hashlib
import hmac
import json
import logging
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from app.errors import ConfigError
from app.infra.machine.files import FileIdentity, file_identity
from app.infra.secrets.identity import check_identity, fingerprint

__all__ = ["Key", "KeyRing", "check_identity", "fingerprint"]

log = logging.getLogger(__name__)

LEAST_SECRET_BYTES = 32  # RFC 7518, 3.2: as long as the hash

SigningKey = Ed25519PrivateKey | bytes
VerifyingKey = Ed25519PublicKey | bytes


@dataclass(frozen=True)
class Key:
    """The key that signs tokens, in the form that PyJWT takes."""

    kid: str
    key: SigningKey


@dataclass(frozen=True)
class _Loaded:
    """The key of one file; a public key only verifies tokens that were signed before its private key was retired."""

    fingerprint: str
    can_sign: bool
    signing: SigningKey | None = field(compare=False, repr=False)
    verifying: VerifyingKey = field(compare=False, repr=False)


class KeyRing:
    """`<kid>.pem` are Ed25519 keys, private or only public, `<kid>.key` secrets for HS256.

    New tokens are signed with `signing_kid`, or with the key of the greatest name when that is empty. An invalid file
    is logged, and the key loaded from it before stays. Raises ConfigError when no key can sign.
    """

    def __init__(self, folder: Path, algorithm: Literal["EdDSA", "HS256"], signing_kid: str = "") -> None:
        self._folder, self._wanted = folder, signing_kid
        self._suffix, self._load = (".pem", _load_pem) if algorithm == "EdDSA" else (".key", _load_secret)
        self._keys: dict[str, _Loaded] = {}
        self._seen = self._identity()
        self._keys = self._read()
        self._signing = self._choose(self._keys)
        self.version = 1

    @property
    def signing(self) -> Key:
        """The key that signs new tokens."""
        return self._signing

    def verifying(self, kid: str) -> VerifyingKey | None:
        """The key that verifies tokens of that `kid`."""
        loaded = self._keys.get(kid)
        return loaded.verifying if loaded else None

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public keys (RFC 7517, RFC 8037); secrets are never among them."""
        public = ((kid, each.verifying) for kid, each in sorted(self._keys.items()))
        return {"keys": [_jwk(kid, key) for kid, key in public if isinstance(key, Ed25519PublicKey)]}

    def fingerprints(self) -> dict[str, str]:
        """The fingerprint of each key by its key id; fingerprints reveal no secret."""
        return {kid: each.fingerprint for kid, each in self._keys.items()}

    def poll(self) -> bool:
        """Check the folder; True when the keys have changed."""
        seen = self._identity()
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            keys = self._read()
            signing = self._choose(keys)
        except ConfigError as error:
            log.warning("the new keys are refused, the old ones stay: %s", error)
            return False
        if keys == self._keys and signing.kid == self._signing.kid:
            return False
        self._keys, self._signing = keys, signing
        self.version += 1
        return True

    def _read(self) -> dict[str, _Loaded]:
        return {path.stem: loaded for path in self._files() if (loaded := self._loaded(path)) is not None}

    def _choose(self, keys: Mapping[str, _Loaded]) -> Key:
        able = {kid: each.signing for kid, each in keys.items() if each.signing is not None}
        kid = self._wanted or max(able, default="")
        key = able.get(kid)
        if key is None:
            raise ConfigError(f"KEYS_DIR: {self._folder} holds no {kid or '*'}{self._suffix} that can sign")
        return Key(kid, key)

    def _loaded(self, path: Path) -> _Loaded | None:
        """The key in `path`; if the file is invalid, the key loaded from it before."""
        try:
            if not path.is_symlink() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                log.warning("the key %s can be read by other accounts; to fix that: chmod 600", path)
            return self._load(path.read_bytes())
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            log.warning("the key %s is refused: %s", path, error)
            return self._keys.get(path.stem)

    def _files(self) -> list[Path]:
        """Key files, without hidden ones such as `..data`, which Kubernetes uses for its symlinks."""
        try:
            return sorted(
                path for path in self._folder.iterdir()
                if path.suffix == self._suffix and not path.name.startswith(".")
            )  # fmt: skip
        except OSError:
            return []

    def _identity(self) -> list[tuple[str, FileIdentity]]:
        return [(path.name, file_identity(path)) for path in self._files()]


def _load_pem(content: bytes) -> _Loaded:
    """Raises ValueError, TypeError or UnsupportedAlgorithm."""
    private = b"PRIVATE KEY" in content
    key = load_pem_private_key(content, password=None) if private else load_pem_public_key(content)
    signing = key if isinstance(key, Ed25519PrivateKey) else None
    public = signing.public_key() if signing else key
    if not isinstance(public, Ed25519PublicKey):
        raise ValueError("only Ed25519 keys are accepted")
    return _Loaded(_thumbprint(public), signing is not None, signing, public)


def _load_secret(content: bytes) -> _Loaded:
    """Raises ValueError."""
    secret = content.rstrip(b"\r\n")
    if len(secret) < LEAST_SECRET_BYTES:
        raise ValueError(f"it has {len(secret)} bytes and needs {LEAST_SECRET_BYTES}")
    known_as = hmac.digest(secret, b"jobfinder fingerprint of a token key", hashlib.sha256).hex()
    return _Loaded(known_as, True, secret, secret)


def _jwk(kid: str, key: Ed25519PublicKey) -> dict[str, str]:
    return {**_public_members(key), "kid": kid, "use": "sig", "alg": "EdDSA"}


def _public_members(key: Ed25519PublicKey) -> dict[str, str]:
    """The public members of the JWK, in the order of RFC 7638."""
    return {"crv": "Ed25519", "kty": "OKP", "x": _base64url(key.public_bytes(Encoding.Raw, PublicFormat.Raw))}


def _thumbprint(key: Ed25519PublicKey) -> str:
    """JWK thumbprint (RFC 7638; RFC 8037, appendix A.3)."""
    text = json.dumps(_public_members(key), separators=(",", ":"))
    return _base64url(hashlib.sha256(text.encode()).digest())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
