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
    shell = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=60, env=environment, cwd=README.parent
    )
    assert shell.returncode == 0, (shell.stdout, shell.stderr)
    found, second, registered, profile, own, similar, answered, asked, closed, *rest = documents(shell.stdout)
    *imported, trams, changes, ended, logged_out, refused = rest
    assert {facet["id"] for facet in found["facets"]} == {"country", "workplace"}, found
    assert profile == registered, shell.stdout
    assert [item["title"] for item in own["items"]] == ["Engine nurse"], own
    assert similar["missing"] == [], similar
    assert (answered["stage"], answered["cv"]["bytes"]) == ("interview", 15), answered
    (applied,) = asked["data"]["applications"]["nodes"]
    assert (asked["data"]["me"], applied) == (
        {"name": "Ada"},
        {"stage": "interview", "job": {"title": "Engine nurse", "company": {"name": "Crank & Sons"}}},
    ), asked
    assert [line["status"] for line in imported] == ["created"] * 3, imported
    assert {item["title"] for item in trams["items"]} == {"Tram driver", "Tram mechanic"}, trams
    assert changes["changes"], changes
    assert (closed, ended, logged_out, refused["status"]) == (204, 204, 204, 401)
    if seeded:
        assert found["total"]["value"] > 0, found
        assert len(second["items"]) == 2, second
        assert similar["jobs"], similar


def documents(text: str) -> list[Any]:
    """The JSON documents that follow each other in `text`."""
    found = []
    while text := text.lstrip():
        document, end = json.JSONDecoder().raw_decode(text)
        found.append(document)
        text = text[end:]
    return found
