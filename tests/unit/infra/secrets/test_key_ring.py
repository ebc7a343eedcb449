"""Token keys in a folder that changes while the service runs."""

import logging
from pathlib import Path
from typing import Literal

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from app.errors import ConfigError
from app.infra.secrets.key_ring import KeyRing

PKCS8 = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def write(path: Path, content: bytes) -> None:
    new = path.with_name(f".{path.name}.new")
    new.touch(mode=0o600)
    new.write_bytes(content)
    new.rename(path)


def write_private(folder: Path, kid: str) -> Ed25519PrivateKey:
    key = Ed25519PrivateKey.generate()
    write(folder / f"{kid}.pem", key.private_bytes(*PKCS8))
    return key


def ring(folder: Path, algorithm: Literal["EdDSA", "HS256"] = "EdDSA", kid: str = "") -> KeyRing:
    return KeyRing(folder, algorithm, kid)


def signed(keys: KeyRing) -> str:
    return jwt.encode({"sub": "1"}, keys.signing.key, "EdDSA", headers={"kid": keys.signing.kid})


def test_the_greatest_name_signs_and_every_key_verifies(tmp_path: Path) -> None:
    for kid in ("2026-01", "2026-03", "2026-02"):
        write_private(tmp_path, kid)
    keys = ring(tmp_path)
    assert keys.signing.kid == "2026-03"
    assert all(keys.verifying(kid) is not None for kid in ("2026-01", "2026-02", "2026-03"))
    assert keys.verifying("2026-04") is None


def test_a_key_can_be_published_before_it_signs(tmp_path: Path) -> None:
    for kid in ("old", "young"):
        write_private(tmp_path, kid)
    keys = ring(tmp_path, kid="old")
    assert keys.signing.kid == "old"
    assert {key["kid"] for key in keys.jwks()["keys"]} == {"old", "young"}


def test_retired_key_can_be_kept_as_a_public_key(tmp_path: Path) -> None:
    write_private(tmp_path, "a")
    token = signed(ring(tmp_path))
    public = ring(tmp_path).signing.key
    assert isinstance(public, Ed25519PrivateKey)
    write(tmp_path / "a.pem", public.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    write_private(tmp_path, "b")
    keys = ring(tmp_path)
    assert keys.signing.kid == "b"
    key = keys.verifying("a")
    assert key is not None
    assert jwt.decode(token, key, ["EdDSA"]) == {"sub": "1"}


def test_a_client_can_verify_with_the_published_key(tmp_path: Path) -> None:
    write_private(tmp_path, "a")
    keys = ring(tmp_path)
    (jwk,) = keys.jwks()["keys"]
    assert {name: jwk[name] for name in ("kty", "crv", "kid", "use", "alg")} == {
        "kty": "OKP", "crv": "Ed25519", "kid": "a", "use": "sig", "alg": "EdDSA",
    }  # fmt: skip
    assert "d" not in jwk
    assert jwt.decode(signed(keys), jwt.PyJWK(jwk), ["EdDSA"]) == {"sub": "1"}


def test_new_key_is_loaded_and_removed_key_is_dropped(tmp_path: Path) -> None:
    write_private(tmp_path, "a")
    keys = ring(tmp_path)
    version = keys.version
    assert not keys.poll()
    write_private(tmp_path, "b")
    (tmp_path / "a.pem").unlink()
    assert keys.poll()
    assert (keys.signing.kid, keys.verifying("a"), keys.version) == ("b", None, version + 1)


def test_a_bad_file_is_refused_and_its_former_key_stays(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_private(tmp_path, "a")
    write_private(tmp_path, "b")
    keys = ring(tmp_path)
    before = (keys.signing, keys.verifying("a"), keys.version)
    write(tmp_path / "a.pem", b"-----BEGIN PRIVATE KEY-----\nbroken\n")
    write(tmp_path / "b.pem", ec.generate_private_key(ec.SECP256R1()).private_bytes(*PKCS8))
    with caplog.at_level(logging.WARNING):
        assert not keys.poll()
    assert (keys.signing, keys.verifying("a"), keys.version) == before
    assert sum("is refused" in record.message for record in caplog.records) == 2


def test_keys_stay_when_no_signing_key_would_be_left(tmp_path: Path) -> None:
    write_private(tmp_path, "a")
    keys = ring(tmp_path)
    (tmp_path / "a.pem").unlink()
    assert not keys.poll()
    assert keys.signing.kid == "a"
    assert keys.verifying("a") is not None


def test_the_swapped_links_of_a_secret_are_followed_without_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in (1, 2):
        folder = tmp_path / f"..{number}"
        folder.mkdir()
        write_private(folder, "a").private_bytes(*PKCS8)
        (folder / "a.pem").chmod(0o644)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "a.pem").symlink_to("..data/a.pem")
    with caplog.at_level(logging.WARNING):
        keys = ring(tmp_path)
        first = keys.fingerprints()
        (tmp_path / "..new").symlink_to("..2")
        (tmp_path / "..new").rename(tmp_path / "..data")
        assert keys.poll()
    assert keys.fingerprints() != first
    assert set(keys.fingerprints()) == {"a"}
    assert not caplog.records


def test_file_readable_by_others_logs_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_private(tmp_path, "a")
    (tmp_path / "a.pem").chmod(0o644)
    with caplog.at_level(logging.WARNING):
        ring(tmp_path)
    assert "can be read by other accounts" in caplog.text


@pytest.mark.parametrize("kid", ["", "a"])
def test_start_fails_without_a_signing_key(tmp_path: Path, kid: str) -> None:
    write(tmp_path / "a.pem", b"")
    with pytest.raises(ConfigError, match="KEYS_DIR"):
        ring(tmp_path, kid=kid)
    with pytest.raises(ConfigError, match="KEYS_DIR"):
        ring(tmp_path / "nowhere", kid=kid)


def test_shared_secrets_sign_and_are_never_published(tmp_path: Path) -> None:
    write(tmp_path / "a.key", b"s" * 32 + b"\n")
    keys = ring(tmp_path, "HS256")
    assert keys.signing.key == keys.verifying("a") == b"s" * 32
    assert keys.jwks() == {"keys": []}
    assert "s" * 32 not in repr(keys.fingerprints())


def test_a_secret_shorter_than_its_hash_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.key", b"s" * 31 + b"\n")
    with pytest.raises(ConfigError):
        ring(tmp_path, "HS256")


def test_each_algorithm_sees_its_own_files_only(tmp_path: Path) -> None:
    write_private(tmp_path, "z")
    write(tmp_path / "a.key", b"s" * 32)
    assert ring(tmp_path, "HS256").verifying("z") is None
    assert ring(tmp_path).verifying("a") is None
