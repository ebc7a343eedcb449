"""Values that PgBouncer's files cannot hold are refused before the files are written."""

from pathlib import Path

import pytest

from app.config import PoolerSettings, load_pooler_settings
from app.errors import ConfigError
from app.infra.pgbouncer.ini import SERVICE, write_files

ODD = ["job finder", 'a"b', "a=b", "a;#b", "*", "naïve ☃", "o'clock", "pgbouncer", "[databases]", "a\\b", "x" * 63]


@pytest.mark.parametrize("odd", ODD)
def test_any_postgresql_name_and_password_is_quoted(tmp_path: Path, odd: str) -> None:
    write_files(PoolerSettings(database_name=odd, database_user=odd, database_password=odd), "", tmp_path)
    lines = (tmp_path / "pgbouncer.ini").read_text().splitlines()
    quoted = "'" + odd.replace("'", "''") + "'"
    assert lines[1].startswith(f"{SERVICE} = ")
    assert f"dbname={quoted} user={quoted} password={quoted}" in lines[1]
    assert not any(odd in line for line in lines[2:] if odd not in (SERVICE, "*", "[databases]", "pgbouncer"))


@pytest.mark.parametrize("end", ["\n", "\r", "\0"])
@pytest.mark.parametrize("variable", ["DATABASE_USER", "DATABASE_PASSWORD", "PGBOUNCER_SOCKET_FOLDER"])
def test_line_break_in_a_setting_is_refused(variable: str, end: str) -> None:
    with pytest.raises(ConfigError, match=f"{variable}: it spans lines"):
        load_pooler_settings({"DATABASE_HOST": "db", variable: f"a{end}b"})
