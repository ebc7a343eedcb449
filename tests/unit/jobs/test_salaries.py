"""Exchange rates of a file that an operator names."""

import json
from pathlib import Path

import pytest

from app.errors import ConfigError
from app.jobs.codes.salaries import rates_from, rates_in_use, shipped_rates


def test_rates_of_another_file_are_used(tmp_path: Path) -> None:
    given = tmp_path / "rates.json"
    given.write_text(json.dumps({"source": "a bank", "of": "2026-11-20", "per_euro": {"USD": 2.0}}))
    rates = rates_in_use(given)
    assert (rates.of, rates.by_year(100_000, "USD", "year")) == ("2026-11-20", 50_000)
    assert rates.by_year(10, "EUR", "hour") == 20_800
    assert rates_in_use(None) is shipped_rates()
    assert set(rates.per_euro) < set(shipped_rates().per_euro)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{", "truncated"),
        ('{"of": "2026-11-20"}', "per_euro"),
        ('{"of": "yesterday", "per_euro": {}}', "of"),
        ('{"of": "2026-11-20", "per_euro": {"usd": 1}}', "usd"),
        ('{"of": "2026-11-20", "per_euro": {"USD": 0}}', "USD"),
        ('{"of": "2026-11-20", "per_euro": {"USD": "1"}}', "USD|per_euro"),
    ],
)
def test_unusable_file_of_rates_is_refused_by_name(tmp_path: Path, text: str, what: str) -> None:
    given = tmp_path / "rates.json"
    given.write_text(text)
    with pytest.raises(ConfigError, match=f"RATES_FILE.*({what})"):
        rates_from(given)
    with pytest.raises(ConfigError, match="RATES_FILE"):
        rates_from(tmp_path / "missing.json")
