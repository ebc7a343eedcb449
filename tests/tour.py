"""Runs the tour of README.md exactly as printed."""

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

README = Path(__file__).resolve().parents[1] / "README.md"
PRINTED_URL = "http://127.0.0.1:8000"


def walk_the_tour(url: str, variables: Mapping[str, str] | None = None, *, seeded: bool = False) -> None:
    """Run the tour's commands against `url` with extra environment `variables`, and check their output.

    `seeded` says that the service has the postings of `python -m app seed`.
    """
    found = re.search(r"<!-- tour -->\n```sh\n(.*?)```", README.read_text(), re.DOTALL)
    assert found
    command = ["bash", "-euo", "pipefail", "-c", found[1].replace(PRINTED_URL, url)]
    environment = {**os.environ, **(variables or {})}
    shell = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, env=environment)
    assert shell.returncode == 0, (shell.stdout, shell.stderr)
    found, second, registered, profile, own, similar, closed, logged_out, refused = _documents(shell.stdout)
    assert {facet["id"] for facet in found["facets"]} == {"country", "workplace"}, found
    assert profile == registered, shell.stdout
    assert [item["title"] for item in own["items"]] == ["Engine nurse"], own
    assert similar["missing"] == [], similar
    assert (closed, logged_out, refused["status"]) == (204, 204, 401)
    if seeded:
        assert found["total"]["value"] > 0, found
        assert len(second["items"]) == 2, second
        assert similar["jobs"], similar


def _documents(text: str) -> list[Any]:
    """The JSON documents that follow each other in `text`."""
    found = []
    while text := text.lstrip():
        document, end = json.JSONDecoder().raw_decode(text)
        found.append(document)
        text = text[end:]
    return found
