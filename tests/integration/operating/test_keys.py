"""Rotating token keys of a running service: publish, sign, retire."""

from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.api_client import Api, Person
from tests.integration.operating.kept import OWN, bearer, connect, kept, lively
from tests.integration.operating.release import CHEAP, Release, wait_for
from tests.service import Service

EVERY_WORKER = 10
OLD, NEW = "development-1", "development-2"


@pytest.fixture(scope="module")
def pod(release: Release) -> Iterator[Service]:
    """A service without a limit on logins, because the tests log in until every worker signs with the new key."""
    release.tuning.write({**CHEAP, "limits": {"logins_per_address": 0}})
    with release.pod() as pod:
        yield pod


@pytest.fixture
def api(release: Release, pod: Service) -> Api:
    return release.api(pod)


@pytest.fixture
def keys(pod: Service) -> Path:
    return Path(pod.variables["KEYS_DIR"])


def published(api: Api) -> list[set[str]]:
    """The key ids in the JWKS, per new connection, each to any worker."""
    answers = [api.fresh().root("/.well-known/jwks.json").json() for _ in range(EVERY_WORKER)]
    return [{key["kid"] for key in answer["keys"]} for answer in answers]


def signing(api: Api, person: Person) -> set[str]:
    """The ids of the keys that sign new tokens."""
    tokens = [api.fresh().login(person.email).json()["access_token"] for _ in range(EVERY_WORKER)]
    return {jwt.get_unverified_header(token)["kid"] for token in tokens}


def statuses(api: Api, token: str) -> set[int]:
    return {api.fresh().get("users/me", token).status_code for _ in range(EVERY_WORKER)}


def put(folder: Path, kid: str, content: bytes) -> None:
    new = folder / f".{kid}"
    new.write_bytes(content)
    new.chmod(0o600)
    new.rename(folder / f"{kid}.pem")


def test_key_is_published_then_signs_and_retiring_it_ends_its_tokens(api: Api, keys: Path) -> None:
    person, other, key = (
        api.person(),
        api.person(),
        Ed25519PrivateKey.generate(),
    )  # many logins would end the sessions of `person`
    assert signing(api, other) == {OLD}

    put(keys, NEW, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    wait_for(lambda: all(each == {OLD, NEW} for each in published(api)), "every worker publishes the new key")
    assert signing(api, other) == {OLD}

    put(keys, NEW, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    wait_for(lambda: signing(api, other) == {NEW}, "every worker signs with the new key")
    assert statuses(api, person.token) == {200}

    old = (keys / f"{OLD}.pem").rename(keys / "retired")
    wait_for(lambda: all(each == {NEW} for each in published(api)), "no worker knows the retired key")
    assert statuses(api, person.token) == {401}
    assert person.refresh().status_code == 200
    assert jwt.get_unverified_header(person.token)["kid"] == NEW
    assert statuses(api, person.token) == {200}
    old.unlink()


def test_invalid_key_file_is_refused(api: Api, pod: Service, keys: Path) -> None:
    person = api.person()
    before = published(api)
    put(keys, "zzz", b"-----BEGIN PRIVATE KEY-----\nnot one\n")
    wait_for(lambda: pod.log.read_text().count("zzz.pem is refused") >= 2, "both workers refuse the file")
    assert published(api) == before
    assert statuses(api, person.token) == {200}
    assert "zzz" not in signing(api, person)


def test_retired_key_ends_what_the_server_keeps_for_its_tokens(release: Release, keys: Path) -> None:
    key, new = Ed25519PrivateKey.generate(), "development-3"
    with release.pod(WORKERS="1") as pod:
        api = release.api(pod)
        person = api.person()
        (signing_now,) = signing(api, api.person())
        put(keys, new, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        wait_for(lambda: new in published(api)[0], "the worker publishes the new key")
        connection = connect(api)
        with lively(api):  # by a token of the new key
            kept(lambda: connection.get(OWN, bearer(person)))
            (keys / f"{signing_now}.pem").rename(keys / "retired")
            wait_for(lambda: published(api)[0] == {new}, "the worker does not know the retired key")
            assert {connection.get(OWN, bearer(person)).status for _ in range(20)} == {401}
        connection.close()
