"""`python -m app import` as a process: what it prints, how it exits, and that a killed one is repeated without harm."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import psycopg2
import pytest

from app.imports.feeding import PART
from app.local.development import secret_files
from app.local.process import becomes_true
from tests.conftest import LocalDatabase
from tests.integration.imports.office import Office, line
from tests.service import CHECKOUT

LINES = PART + 200
MINUTE_LATER = "UPDATE feed_run SET active_at = active_at - interval '1 minute'"


@pytest.fixture(scope="module")
def environment(database: LocalDatabase, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {
        "ENVIRONMENT": "development",
        "DATABASE_URL": database.url,
        "PATH": os.environ["PATH"],
        **secret_files(tmp_path_factory.mktemp("secrets")),
    }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "feed.ndjson"
    path.write_bytes(b"\n".join(line(number) for number in range(LINES)))
    return path


def command(path: Path, *more: str, company: str = "imports") -> list[str]:
    return [sys.executable, "-m", "app", "import", str(path), "--company", company, "--source", "ats", *more]


def run(environment: dict[str, str], path: Path, *more: str, company: str = "imports") -> tuple[int, str, str]:
    """The exit code, the output and the error output."""
    done = subprocess.run(
        command(path, *more, company=company),
        cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_command_imports_a_file(office: Office, environment: dict[str, str], file: Path) -> None:
    file.write_bytes(b"\n".join([line(1), line(2), b"{", line(3, title="")]))
    code, output, shown = run(environment, file)
    assert (code, output.splitlines()) == (
        0,
        [
            "Run 1: 2 created, 0 changed, 0 unchanged, 2 refused, 0 closed.",
            "1 lines have no readable external_id, so nothing was closed.",
        ],
    )
    assert "line 3 (no external_id) is refused: line: the line is not JSON" in shown
    assert "line 4 (j-3) is refused: title: " in shown
    assert f"[{'#' * 40}] 4 lines" in shown
    assert office.states() == {"j-1": "open", "j-2": "open"}


def test_line_with_a_name_that_cannot_be_stored_is_refused_alone(
    office: Office, environment: dict[str, str], file: Path
) -> None:  # fmt: skip
    file.write_bytes(b"\n".join([line(1), line(2, external_id="a\0b"), line(3)]))
    code, output, shown = run(environment, file)
    assert (code, output) == (0, "Run 1: 2 created, 0 changed, 0 unchanged, 1 refused, 0 closed.\n"), shown
    assert "is refused: external_id: " in shown
    assert "Traceback" not in shown
    assert office.states() == {"j-1": "open", "j-3": "open"}


def test_command_says_what_it_cannot_do(office: Office, environment: dict[str, str], file: Path) -> None:
    file.write_bytes(b"\n".join(line(number) for number in range(4)))
    assert run(environment, file)[0] == 0
    file.write_bytes(line(0))
    code, output, shown = run(environment, file)
    assert (code != 0, output) == (True, "")
    assert "it would close 3 of 4 open postings" in shown
    assert run(environment, file, "--force")[1] == "Run 3: 0 created, 0 changed, 1 unchanged, 0 refused, 3 closed.\n"
    code, output, shown = run(environment, file, company="nobody")
    assert (code != 0, output) == (True, "")
    assert "Traceback" not in shown


@pytest.fixture
def killed(office: Office, database: LocalDatabase, environment: dict[str, str], file: Path) -> None:
    """An import that was killed when it had written a part, and waited to note what that had named."""
    waiting = psycopg2.connect(database.direct_url)
    with waiting.cursor() as cursor:
        cursor.execute("LOCK TABLE feed_part IN SHARE MODE")
    with subprocess.Popen(command(file), cwd=CHECKOUT, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            assert becomes_true(lambda: bool(office.states()), 60)
        finally:
            process.send_signal(signal.SIGKILL)
    waiting.close()


@pytest.mark.usefixtures("killed")
def test_killed_import_closes_nothing_and_is_repeated(office: Office, environment: dict[str, str], file: Path) -> None:
    code, _, shown = run(environment, file)
    assert code != 0
    assert "run 1 has been open" in shown
    written = len(office.states())
    assert Counter(office.states().values()) == {"open": written}
    assert office.imports.words.collects()
    office.imports.settle_words()
    assert office.imports.words.collects(), "the command may still be alive"
    office.database.run(MINUTE_LATER)
    office.imports.settle_words()
    assert not office.imports.words.collects()
    code, output, _ = run(environment, file)
    assert code == 0
    assert f": {LINES - written:,} created, 0 changed, {written:,} unchanged, 0 refused, 0 closed.\n" in output
    assert Counter(office.states().values()) == {"open": LINES}
