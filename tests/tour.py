"""Runs the tour of README.md exactly as printed."""

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

README = Path(__file__).resolve().parents[1] / "README.md"
PRINTED_URL = "http://127.0.0.1:8000"


def walk_the_tour(url: str, variables: Mapping[str, str] | None = None) -> None:
    """Run the tour's commands against `url` with extra environment `variables`, and check their output."""
    found = re.search(r"<!-- tour -->\n```sh\n(.*?)```", README.read_text(), re.DOTALL)
    assert found
    command = ["bash", "-euo", "pipefail", "-c", found[1].replace(PRINTED_URL, url)]
    environment = {**os.environ, **(variables or {})}
    shell = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, env=environment)
    assert shell.returncode == 0, (shell.stdout, shell.stderr)
    registered, rest = json.JSONDecoder().raw_decode(shell.stdout)
    profile, rest_from = json.JSONDecoder().raw_decode(shell.stdout, rest)
    logged_out, refused = shell.stdout[rest_from:].split("\n", 1)
    assert profile == registered, shell.stdout
    assert logged_out == "204"
    assert json.loads(refused)["status"] == 401
