"""The development folder: one instance at a time, secrets that are kept and that only their owner can read."""

import json
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from app.local.development import only_instance, publish_environment, running_environment, secret_files
from app.local.process import LocalError

HOLD = """
import sys; from pathlib import Path; from app.local.development import only_instance
with only_instance(Path(sys.argv[1])) as announce:
    announce("http://127.0.0.1:8000"); print("held", flush=True); sys.stdin.read()
"""


def holder(folder: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def test_second_instance_names_the_process_that_holds_the_folder(tmp_path: Path) -> None:
    first = holder(tmp_path)
    with pytest.raises(LocalError, match=rf"process {first.pid} at http://127.0.0.1:8000; stop it with: kill"):
        only_instance(tmp_path).__enter__()
    first.communicate()


def test_a_killed_instance_leaves_no_lock(tmp_path: Path) -> None:
    first = holder(tmp_path)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    with only_instance(tmp_path):
        assert (tmp_path / "lock").exists()


def test_secrets_survive_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    variables = secret_files(tmp_path)
    pepper, (key,) = Path(variables["PEPPER_FILE"]), Path(variables["KEYS_DIR"]).glob("*.pem")
    before = pepper.read_bytes(), key.read_bytes()
    assert secret_files(tmp_path) == variables
    assert (pepper.read_bytes(), key.read_bytes()) == before
    assert [stat.S_IMODE(each.stat().st_mode) for each in (pepper, key, key.parent)] == [0o600, 0o600, 0o700]


def test_secrets_are_of_the_right_kind_and_differ_between_folders(tmp_path: Path) -> None:
    peppers = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        variables = secret_files(tmp_path / name)
        peppers.add(Path(variables["PEPPER_FILE"]).read_text())
        (key,) = Path(variables["KEYS_DIR"]).iterdir()
        assert isinstance(load_pem_private_key(key.read_bytes(), None), Ed25519PrivateKey)
    assert len(peppers) == 2
    assert all(len(pepper) == 64 for pepper in peppers)


def test_other_commands_find_the_running_service_and_only_that(tmp_path: Path) -> None:
    with publish_environment(tmp_path, {"PORT": "8000", "PEPPER_FILE": "/p", "HOME": "/root"}):
        assert running_environment(tmp_path) == {"PORT": "8000", "PEPPER_FILE": "/p"}
        assert stat.S_IMODE((tmp_path / "environment.json").stat().st_mode) == 0o600
    with pytest.raises(LocalError, match="make run"):
        running_environment(tmp_path)


def test_a_pepper_is_never_half_written(tmp_path: Path) -> None:
    (tmp_path / "pepper.new").write_text("half of an earlier start")
    assert len(Path(secret_files(tmp_path)["PEPPER_FILE"]).read_text()) == 64
    assert not (tmp_path / "pepper.new").exists()
    assert json.dumps(secret_files(tmp_path))
