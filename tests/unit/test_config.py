"""Reading of settings and tuning, and errors that name each invalid value."""

import json
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from app.config import DEVELOPMENT_TUNING, Settings, Tuning, load_settings
from app.errors import ConfigError
from app.infra.tuning.live_tuning import read_tuning
from app.local.readme import documented_settings

GOOD = {"PEPPER": "p" * 32, "KEYS_DIR": "/keys", "DATABASE_URL": "postgresql://jobfinder@/jobfinder"}


def test_settings_are_read_from_their_variables() -> None:
    settings = load_settings(
        GOOD
        | {
            "PORT": "9000",
            "WORKER": "gthread",
            "PREPARED_STATEMENTS": "false",
            "MEMCACHED_SERVERS": "a:1, unix:/b ,",
            "TRUSTED_PROXIES": "10.0.0.0/8,::1",
            "LOG_REQUESTS": "0.5",
            "PUBLIC_URL": "https://jobs.example:8443",
            "JOB_PAGES_URL": "https://www.example/jobs/{id}?from=feed",
        }
    )
    assert (settings.port, settings.worker, settings.prepared_statements) == (9000, "gthread", False)
    assert settings.memcached_servers == ("a:1", "unix:/b")
    assert settings.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("::1"))
    assert settings.keys_dir == Path("/keys")
    assert settings.log_requests == 0.5
    assert settings.public_url == "https://jobs.example:8443"
    assert settings.job_pages_url == "https://www.example/jobs/{id}?from=feed"


def test_a_setting_can_be_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "pepper"
    file.write_text("f" * 40 + "\n")
    given = {name: value for name, value in GOOD.items() if name != "PEPPER"}
    assert load_settings(given | {"PEPPER_FILE": str(file)}).pepper == "f" * 40
    with pytest.raises(ConfigError, match="not both"):
        load_settings(GOOD | {"PEPPER_FILE": str(file)})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENVIRONMENT", "moon"),
        ("PORT", "http"),
        ("PORT", "-1"),
        ("WORKERS", "1.5"),
        ("TRUSTED_PROXIES", "everybody"),
        ("PREPARED_STATEMENTS", "perhaps"),
        ("APPLICATION_MONTHS", "-1"),
        ("LOG_REQUESTS", "1.1"),
        ("LOG_REQUESTS", "nan"),
        ("PEPPER", "short"),
        ("DATABASE_URL", ""),
        ("KEYS_DIR", ""),
        ("PATH_PREFIX", "jobs/"),
        ("PUBLIC_URL", "jobs.example"),
        ("PUBLIC_URL", "https://jobs.example/"),
        ("PUBLIC_URL", "javascript://jobs.example"),
        ("JOB_PAGES_URL", "https://jobs.example/jobs"),
        ("JOB_PAGES_URL", "https://jobs.example/{id}/{id}"),
        ("JOB_PAGES_URL", "/jobs/{id}"),
    ],
)
def test_error_names_the_invalid_setting(name: str, value: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        load_settings(GOOD | {name: value})
    assert [line.partition(":")[0] for line in str(refusal.value).splitlines()] == [name]


def test_session_shorter_than_access_token_is_refused() -> None:
    with pytest.raises(ConfigError, match="SESSION_SECONDS"):
        load_settings(GOOD | {"SESSION_SECONDS": "899"})


def test_every_setting_is_documented() -> None:
    rows = {name: (default, meaning) for name, default, meaning in documented_settings(Settings)}
    assert rows["PORT"] == ("8000", "port to listen on")
    assert rows["PREPARED_STATEMENTS"][0] == "true"
    assert all(meaning for _, meaning in rows.values())


def test_missing_tuning_fields_keep_their_defaults() -> None:
    tuning = read_tuning(b'{"generation": 7, "limits": {"requests_per_user": 5}}', DEVELOPMENT_TUNING)
    assert tuning.generation == 7
    assert tuning.limits.requests_per_user == 5
    assert tuning.limits.logins_per_address == DEVELOPMENT_TUNING.limits.logins_per_address
    assert tuning.cache == Tuning().cache


@pytest.mark.parametrize(
    "given",
    [
        [],
        {"unknown": 1},
        {"generation": -1},
        {"generation": None},
        {"cache": 1},
        {"cache": {"user": {"capacity": 0}}},
        {"cache": {"lease_ms": 51}},
        {"cache": {"user": {"size": 1}}},
        {"database": {"pool_min": 9, "pool_max": 8}},
        {"database": {"acquire_timeout_ms": 9}},
        {"limits": {"requests_per_user": 0.5}},
        {"passwords": {"bcrypt_cost": 3}},
        {"passwords": {"bcrypt_cost": "ten"}},
        {"compression": {"enabled": 1}},
    ],
)
def test_a_bad_tuning_is_refused(given: Any) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        read_tuning(json.dumps(given).encode(), Tuning())


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"NaN"])
def test_tuning_that_is_not_json_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        read_tuning(text, Tuning())


def test_deeply_nested_tuning_is_refused() -> None:
    with pytest.raises(ValueError, match="nested"):
        read_tuning(b'{"a":' * 20_000 + b"1" + b"}" * 20_000, Tuning())
