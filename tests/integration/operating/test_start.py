"""Starting: invalid settings are refused with a clear message; a missing database is waited for."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from app.infra.postgres.migrate import migrate
from app.local.pgbouncer import PgBouncer
from app.local.postgres import Postgres
from app.main import preparation
from tests.api_client import PASSWORD, Api
from tests.conftest import LocalDatabase
from tests.integration.operating.release import KINDS, Release, wait_for
from tests.service import CHECKOUT, Service

PEPPER = "another secret of more than 32 bytes"


def refusal(variables: dict[str, str]) -> str:
    """The error output of `python -m app serve` with settings that it refuses."""
    done = subprocess.run(
        [sys.executable, "-m", "app", "serve"],
        cwd=CHECKOUT, env={"PATH": os.environ["PATH"], **variables}, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("jobfinder: cannot serve:\n")
    return done.stderr


def test_all_missing_settings_are_named_at_once() -> None:
    said = refusal({})
    assert all(f"\n{name}: " in said for name in ("PEPPER", "KEYS_DIR", "DATABASE_URL"))


def test_all_wrong_settings_are_named_at_once(release: Release) -> None:
    wrong = {
        "ENVIRONMENT": "moon", "PORT": "http", "WORKER": "fast", "WORKERS": "-1", "PEPPER": "short",
        "TRUSTED_PROXIES": "everybody", "PREPARED_STATEMENTS": "perhaps", "LOG_LEVEL": "loud", "LOG_REQUESTS": "2",
        "KEYS_DIR_FILE": "/nowhere",
    }  # fmt: skip
    said = refusal(wrong)
    assert all(f"\n{name.removesuffix('_FILE')}: " in said for name in wrong)


def test_error_messages_hide_secrets(release: Release) -> None:
    assert "hunter2" not in refusal({"PEPPER": "hunter2", "DATABASE_URL": "postgresql://a:hunter2@[/b"})


def caught(pid: int) -> int:
    """The signals for which a process has a handler, a bit for each (proc(5), SigCgt)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("SigCgt:")).split()[1], 16)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make a namespace")
def test_first_process_of_a_container_ends_on_sigterm_while_it_starts() -> None:
    """As that of a container it gets no signal for which it has no handler."""
    absent = "postgresql://user:password@127.0.0.1:1/jobs"
    with subprocess.Popen(
        ["unshare", "--fork", "--pid", sys.executable, "-m", "app", "migrate", "--wait", "600"],
        cwd=CHECKOUT, env={"PATH": os.environ["PATH"], "DATABASE_DIRECT_URL": absent}, stderr=subprocess.PIPE,
    ) as waiting:  # fmt: skip
        wait_for(lambda: bool(children(waiting.pid)), "the process")
        (first,) = children(waiting.pid)
        try:
            wait_for(lambda: bool(caught(first) >> (signal.SIGTERM - 1) & 1), "a handler")
            os.kill(first, signal.SIGTERM)
            assert waiting.wait(20) == 128 + signal.SIGTERM
        finally:
            if waiting.poll() is None:
                os.kill(first, signal.SIGKILL)


def test_keys_dir_without_a_signing_key_is_refused(release: Release, tmp_path: Path) -> None:
    said = refusal({**release.variables, "PEPPER": PEPPER, "KEYS_DIR": str(tmp_path)})
    assert f"KEYS_DIR: {tmp_path} holds no *.pem that can sign" in said


def test_missing_signing_key_is_refused(release: Release) -> None:
    pod = release.pod(SIGNING_KID="of-tomorrow")
    assert "of-tomorrow.pem" in refusal(pod.variables)


def test_pepper_that_differs_from_the_database_is_refused(release: Release) -> None:
    with release.pod() as pod:
        assert requests.get(f"{pod.url}/api/v1/health/ready", timeout=30).status_code == 200
    others = {name: value for name, value in pod.variables.items() if name != "PEPPER_FILE"}
    assert "PEPPER: this database is used with another one" in refusal(others | {"PEPPER": PEPPER})


def test_key_readable_by_others_gives_a_warning(release: Release) -> None:
    pod = release.pod()
    (key,) = Path(pod.variables["KEYS_DIR"]).glob("*.pem")
    key.chmod(0o644)
    try:
        with pod:
            assert f"the key {key} can be read by other accounts" in pod.log.read_text()
    finally:
        key.chmod(0o600)


@pytest.mark.parametrize("kind", KINDS)
def test_dual_stack_service_shows_ipv4_addresses_as_ipv4(release: Release, kind: str) -> None:
    with release.pod(kind, HOST="*") as pod:
        person = release.api(pod).person()
        assert [each["address"] for each in person.get("auth/sessions").json()["sessions"]] == ["127.0.0.1"]


class EarlyService(Service):
    """A service that counts as started once it is live."""

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/api/v1/health/live", timeout=5).status_code == 200
        except requests.RequestException:
            return False


@pytest.fixture(params=KINDS)
def early(request: pytest.FixtureRequest, release: Release, pgbouncer: PgBouncer) -> Iterator[EarlyService]:
    """A service whose database does not exist yet."""
    name = f"early_{request.param}"
    variables = {**release.variables, "WORKER": request.param, "WORKERS": "2", "DATABASE_URL": pgbouncer.url_of(name)}
    with EarlyService(release.folder / name, variables) as service:
        yield service


def test_service_started_before_its_database_becomes_ready(
    early: EarlyService, release: Release, postgres: Postgres
) -> None:
    api, name = release.api(early), f"early_{early.variables['WORKER']}"
    unready = api.get("health/ready")
    assert (unready.status_code, unready.json()["code"]) == (503, "unavailable")
    assert int(unready.headers["Retry-After"]) > 0
    body = {"email": Api.new_email(), "password": PASSWORD, "name": "Ada"}
    assert api.post("auth/register", body).status_code == 503

    url = postgres.create_database(name)
    try:
        wait_for(lambda: "run the migrations" in api.get("health/ready").json().get("detail", ""), "what is missing")
        migrate(url, preparation())
        wait_for(lambda: api.get("health/ready").status_code == 200, "the service is ready")
        assert api.person().get("users/me").status_code == 200
    finally:
        postgres.drop_database(name)


@pytest.mark.parametrize("kind", KINDS)
def test_pod_is_unready_while_its_pooler_hangs(
    release: Release, postgres: Postgres, database: LocalDatabase, kind: str
) -> None:
    with PgBouncer(postgres) as own:
        urls = {"DATABASE_URL": own.url_of(database.name), "PGBOUNCER_CONSOLE_URL": own.console_url}
        with release.pod(kind, **urls) as pod:
            api = release.api(pod)
            assert api.get("health/ready").status_code == 200
            own.pause()
            wait_for(lambda: api.get("health/ready").status_code == 503, "the pod is unready")
            assert api.get("health/live").status_code == 200
            own.resume()
            wait_for(lambda: api.get("health/ready").status_code == 200, "the pod is ready again")
