"""The operator's own settings."""

from pathlib import Path

import pytest

from jobfinder_operator.config import SettingsError, load_settings

LEAST = {"POD_NAMESPACE": "jobs", "PGBOUNCER_PASSWORD": "secret", "PGBOUNCER_CA_FILE": "/ca.crt"}


def test_defaults_agree_with_the_chart() -> None:
    found = load_settings({**LEAST, "POD_NAME": "operator-0", "LEASE_NAME": "x-operator"})
    assert (found.namespace, found.pod_name, found.lease_name) == ("jobs", "operator-0", "x-operator")
    assert (found.console_account.user, found.console_account.port) == ("jobfinder_operator", 6432)
    assert (found.app_port, found.metrics_port, found.health_port) == (8000, 9090, 8080)


def test_the_password_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret\n")
    given = {name: value for name, value in LEAST.items() if name != "PGBOUNCER_PASSWORD"}
    found = load_settings({**given, "PGBOUNCER_PASSWORD_FILE": str(tmp_path / "password")})
    assert found.pgbouncer_password == "secret"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"PGBOUNCER_PASSWORD_FILE": "/nowhere"}, "PGBOUNCER_PASSWORD_FILE"),
        ({"PGBOUNCER_CA_FILE": ""}, "PGBOUNCER_CA_FILE"),
        ({"APP_PORT": "http"}, "APP_PORT: 'http' is no number"),
        ({"TASKS_PORT": "http"}, "TASKS_PORT: 'http' is no number"),
        ({"REALTIME_PORT": "http"}, "REALTIME_PORT: 'http' is no number"),
    ],
)
def test_invalid_setting_is_named(changes: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        load_settings({**LEAST, **changes})
