"""The folder of one development instance: its lock, its generated secrets, its data."""

import fcntl
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from app.config import Settings
from app.local.process import LocalError

_ENVIRONMENT = "environment.json"
_SETTINGS = {name for each in fields(Settings) for name in (each.name.upper(), f"{each.name.upper()}_FILE")}


@contextmanager
def only_instance(folder: Path) -> Iterator[Callable[[str], None]]:
    """Hold the folder while the service runs; raises LocalError when another instance does.

    Yields a function that takes the service's address. The kernel releases the lock when its holder ends,
    however it ends; the file's text is only used in the error message.
    """
    folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise LocalError(f"jobfinder already runs here: {lock.read().strip() or 'it is just starting'}") from None

        def announce(address: str) -> None:
            lock.truncate(0)
            lock.write(f"process {os.getpid()} at {address}; stop it with: kill {os.getpid()}\n")
            lock.flush()

        lock.truncate(0)
        yield announce


@contextmanager
def publish_environment(folder: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Keep the service's variables in a file while it runs, so that other commands find its servers."""
    path = folder / _ENVIRONMENT
    _write_secret(
        path, json.dumps({name: environment[name] for name in sorted(_SETTINGS & environment.keys())}).encode()
    )
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def running_environment(folder: Path) -> dict[str, str]:
    """The variables of the service that runs in `folder`; raises LocalError when none runs."""
    try:
        variables: dict[str, str] = json.loads((folder / _ENVIRONMENT).read_text())
    except OSError:
        raise LocalError("the service does not run here; start it with: make run") from None
    return variables


def secret_files(folder: Path) -> dict[str, str]:
    """Variables for the pepper file and the folder of token keys; missing ones are created."""
    pepper, keys = folder / "pepper", folder / "keys"
    if not pepper.exists():
        _write_secret(pepper, secrets.token_hex(32).encode())
    keys.mkdir(mode=0o700, exist_ok=True)
    if not any(keys.glob("*.pem")):
        key = Ed25519PrivateKey.generate()
        _write_secret(keys / "development-1.pem", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return {"PEPPER_FILE": str(pepper), "KEYS_DIR": str(keys)}


def _write_secret(path: Path, content: bytes) -> None:
    """Write a file atomically, readable by its owner only."""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
        file.write(content)
        os.fsync(descriptor)
    new.rename(path)
