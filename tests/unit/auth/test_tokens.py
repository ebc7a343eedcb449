"""Issued access tokens verify; modified or forged ones do not."""

import base64
import json
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from app.auth.tokens import REMEMBERED_TOKENS, AccessTokens
from app.config import Settings
from app.errors import InvalidToken
from app.infra.secrets.key_ring import KeyRing
from tests.unit.coherence.model.scheduler import Scheduler, in_turn
from tests.unit.switches import Running, switching

NOW = int(time.time())
Claims = dict[str, Any]


class Clock:
    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


class Issuer:
    """A folder with one key; signs tokens of any content with it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.key = folder, Ed25519PrivateKey.generate()
        self.add("a", self.key)
        self.keys = KeyRing(folder, "EdDSA")
        self.clock = Clock()
        self.tokens = AccessTokens(self.keys, Settings(), self.clock)

    def add(self, kid: str, key: Ed25519PrivateKey) -> None:
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.folder / f"{kid}.pem").write_bytes(pem)

    def forge(self, claims: Claims | None = None, header: Claims | None = None, without: str = "") -> str:
        """A token as the service would issue it now, except for the given changes."""
        content = jwt.decode(self.tokens.issue(7, 9), options={"verify_signature": False}) | (claims or {})
        content.pop(without, None)
        return jwt.encode(content, self.key, "EdDSA", headers={"typ": "at+jwt", "kid": "a"} | (header or {}))


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path)


def test_token_names_user_session_and_expiry(issuer: Issuer) -> None:
    claims = issuer.tokens.verify(issuer.tokens.issue(7, 2**63 - 1))
    assert (claims.user_id, claims.session_id, claims.expires_at) == (7, 2**63 - 1, NOW + 900)


def test_no_two_tokens_are_the_same(issuer: Issuer) -> None:
    assert issuer.tokens.issue(7, 9) != issuer.tokens.issue(7, 9)


def test_cached_token_expires_on_time(issuer: Issuer) -> None:
    token = issuer.tokens.issue(7, 9)
    issuer.tokens.verify(token)
    issuer.clock.now = NOW + 899
    issuer.tokens.verify(token)
    issuer.clock.now = NOW + 900
    with pytest.raises(InvalidToken, match="expired"):
        issuer.tokens.verify(token)


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "somebody"},
        {"aud": "something"},
        {"exp": 1_000_000_000},
        {"exp": "tomorrow"},
        {"nbf": 4_000_000_000},
        {"sub": "0"},
        {"sub": "ada"},
        {"sub": "7.0"},
        {"sid": "-1"},
        {"sid": None},
        {"sid": str(2**63)},
    ],
    ids=str,
)
def test_wrong_claims_are_refused(issuer: Issuer, claims: Claims) -> None:
    with pytest.raises(InvalidToken):
        issuer.tokens.verify(issuer.forge(claims))


def test_token_issued_in_the_future_is_accepted(issuer: Issuer) -> None:
    issuer.tokens.verify(issuer.forge({"iat": NOW + 60}))


@pytest.mark.parametrize("name", ["iss", "aud", "sub", "sid", "jti", "iat", "exp"])
def test_missing_claim_is_refused(issuer: Issuer, name: str) -> None:
    issuer.tokens.verify(issuer.forge())
    with pytest.raises(InvalidToken):
        issuer.tokens.verify(issuer.forge(without=name))


@pytest.mark.parametrize(
    "header", [{"typ": "JWT"}, {"typ": "rt+jwt"}, {"kid": "b"}, {"kid": "../a"}, {"kid": ""}, {"crit": ["x"]}], ids=str
)
def test_wrong_header_is_refused(issuer: Issuer, header: Claims) -> None:
    with pytest.raises(InvalidToken):
        issuer.tokens.verify(issuer.forge(header=header))


def _unsigned(issuer: Issuer) -> str:
    return _joined({"alg": "none", "typ": "at+jwt", "kid": "a"}, issuer.forge().split(".")[1], "")


def _signed_with_the_public_key(issuer: Issuer) -> str:
    """RFC 8725, 2.1: the public key used as an HMAC secret."""
    public = issuer.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    claims = jwt.decode(issuer.forge(), options={"verify_signature": False})
    return jwt.encode(claims, public, "HS256", headers={"typ": "at+jwt", "kid": "a"})


def _signed_by_somebody_else(issuer: Issuer) -> str:
    claims = jwt.decode(issuer.forge(), options={"verify_signature": False})
    return jwt.encode(claims, Ed25519PrivateKey.generate(), "EdDSA", headers={"typ": "at+jwt", "kid": "a"})


def _signed_by_a_key_that_it_brings(issuer: Issuer) -> str:
    """RFC 8725, 2.9: headers that name or hold the key for the verification."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    own = {"kty": "OKP", "crv": "Ed25519", "x": _base64(public), "kid": "a", "alg": "EdDSA"}
    places = {"jku": "https://attacker.example/keys", "x5u": "https://attacker.example/key", "x5c": ["MIIB"]}
    claims = jwt.decode(issuer.forge(), options={"verify_signature": False})
    return jwt.encode(claims, key, "EdDSA", headers={"typ": "at+jwt", "kid": "a", "jwk": own} | places)


def _encrypted(issuer: Issuer) -> str:
    """RFC 8725, 2.3: five parts, as a JWE has, whose contents are compressed."""
    header = {"alg": "dir", "enc": "A256GCM", "zip": "DEF", "typ": "at+jwt", "kid": "a"}
    return _joined(header, "", f"{_base64(bytes(12))}.{_base64(bytes(64))}.{_base64(bytes(16))}")


def _of_another_user(issuer: Issuer) -> str:
    header, _, signature = issuer.forge().split(".")
    payload = issuer.forge({"sub": "8"}).split(".")[1]
    return f"{header}.{payload}.{signature}"


def _cut(issuer: Issuer) -> str:
    return issuer.forge()[:-1]


@pytest.mark.parametrize(
    "forge",
    [
        _unsigned,
        _signed_with_the_public_key,
        _signed_by_somebody_else,
        _signed_by_a_key_that_it_brings,
        _encrypted,
        _of_another_user,
        _cut,
    ],
)
def test_a_forged_signature_is_refused(issuer: Issuer, forge: Callable[[Issuer], str]) -> None:
    with pytest.raises(InvalidToken):
        issuer.tokens.verify(forge(issuer))


@pytest.mark.parametrize("text", ["", ".", "..", "a.b.c", "e30.e30.", "é", "\0", "a" * 8000, "[]"])
def test_text_that_is_not_a_token_is_refused(issuer: Issuer, text: str) -> None:
    with pytest.raises(InvalidToken):
        issuer.tokens.verify(text)


@pytest.mark.parametrize("header", ["[]", '"a"', "null", "1", "{", '{"kid": [], "typ": {}, "alg": 1}'])
def test_malformed_header_is_refused(issuer: Issuer, header: str) -> None:
    with pytest.raises(InvalidToken):
        issuer.tokens.verify(f"{_base64(header.encode())}.{issuer.forge().partition('.')[2]}")


def test_token_is_refused_after_its_key_is_removed(issuer: Issuer) -> None:
    token = issuer.tokens.issue(7, 9)
    issuer.tokens.verify(token)
    issuer.add("b", Ed25519PrivateKey.generate())
    (issuer.folder / "a.pem").unlink()
    assert issuer.keys.poll()
    with pytest.raises(InvalidToken):
        issuer.tokens.verify(token)
    issuer.tokens.verify(issuer.tokens.issue(7, 9))


def test_token_of_a_removed_key_stays_refused_in_any_thread_interleaving(tmp_path: Path) -> None:
    """One thread verifies while another notices that the key was removed, and then verifies too."""
    running, token, issuers = Running(), "", list[Issuer]()

    def start(scheduler: Scheduler) -> None:
        nonlocal token
        folder = tmp_path / str(len(issuers))
        folder.mkdir()
        issuers.append(issuer := Issuer(folder))
        token = issuer.tokens.issue(7, 9)
        issuer.add("b", Ed25519PrivateKey.generate())
        (folder / "a.pem").unlink()
        scheduler.spawn(in_turn(issuer.keys.poll, lambda: issuer.tokens.verify(issuer.tokens.issue(7, 9))))
        scheduler.spawn(partial(_tried, issuer, token))

    with switching(running.pause, AccessTokens.verify, KeyRing.poll):
        for _ in running.every_order(start, switches=1):
            with pytest.raises(InvalidToken):
                issuers[-1].tokens.verify(token)
    assert len(issuers) > 25


def _tried(issuer: Issuer, token: str) -> None:
    with suppress(InvalidToken):
        issuer.tokens.verify(token)


def test_token_cache_is_bounded(issuer: Issuer) -> None:
    issuer.tokens.verify(first := issuer.tokens.issue(7, 9))
    _, remembered = issuer.tokens._remembered
    remembered.update({str(number): remembered[first] for number in range(REMEMBERED_TOKENS - 1)})
    issuer.tokens.verify(issuer.tokens.issue(7, 9))
    assert len(remembered) == REMEMBERED_TOKENS
    assert first not in remembered


def _joined(header: Claims, payload: str, signature: str) -> str:
    return f"{_base64(json.dumps(header).encode())}.{payload}.{signature}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
