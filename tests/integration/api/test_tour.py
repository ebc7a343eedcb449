"""The tour of README.md and `make demo` work as they are printed."""

import json
import re
import subprocess
import sys
from pathlib import Path

from tests.api_client import Api

CHECKOUT = Path(__file__).resolve().parents[3]


def test_the_tour_of_the_readme_works_as_printed(api: Api) -> None:
    found = re.search(r"<!-- tour -->\n```sh\n(.*?)```", (CHECKOUT / "README.md").read_text(), re.DOTALL)
    assert found
    script = found[1].replace("http://127.0.0.1:8000", api.url)
    shell = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], check=False, capture_output=True, text=True, timeout=60
    )
    assert shell.returncode == 0, shell.stderr
    registered, rest = json.JSONDecoder().raw_decode(shell.stdout)
    profile, rest_from = json.JSONDecoder().raw_decode(shell.stdout, rest)
    logged_out, refused = shell.stdout[rest_from:].split("\n", 1)
    assert profile == registered, shell.stdout
    assert logged_out == "204"
    assert json.loads(refused)["status"] == 401


def test_the_demo_walks_the_whole_tour(api: Api) -> None:
    command = [sys.executable, "-m", "app", "demo", "--url", api.url]
    demo = subprocess.run(command, cwd=CHECKOUT, check=False, capture_output=True, text=True, timeout=60)
    assert demo.returncode == 0, demo.stderr
    assert "204" in demo.stdout
    assert demo.stdout.rstrip().endswith("That was the tour.")
