"""The tour of README.md and `make demo` work as they are printed."""

import subprocess
import sys
from pathlib import Path

from app.__main__ import main
from app.local.development import publish_environment
from tests.api_client import Api
from tests.tour import walk_the_tour

CHECKOUT = Path(__file__).resolve().parents[3]
JOBS = 100


def test_the_tour_of_the_readme_works_as_printed(api: Api, tmp_path: Path) -> None:
    with publish_environment(tmp_path, api.variables):
        assert main(["seed", "--jobs", str(JOBS), "--state", str(tmp_path)]) == 0
    walk_the_tour(api.url, seeded=True)


def test_the_demo_walks_the_whole_tour(api: Api) -> None:
    command = [sys.executable, "-m", "app", "demo", "--url", api.url]
    demo = subprocess.run(command, cwd=CHECKOUT, check=False, capture_output=True, text=True, timeout=60)
    assert demo.returncode == 0, demo.stderr
    assert "204" in demo.stdout
    assert [demo.stdout.count(f'"status": "{each}"') for each in ("created", "unchanged")] == [3, 3], demo.stdout
    assert demo.stdout.rstrip().endswith("That was the tour.")
