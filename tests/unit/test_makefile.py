"""The Makefile's list of targets fits on a screen, and pre-commit runs the steps of `make lint`."""

import re
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
LINES, COLUMNS = 40, 110


def test_help_lists_every_target_on_one_screen() -> None:
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    listed = re.findall(r"^  make ([a-z0-9-]+) ", shown, re.MULTILINE)
    assert listed == re.findall(r"^([a-z0-9-]+):", MAKEFILE, re.MULTILINE)
    assert sorted(listed) == sorted(re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[0].split())
    assert len(shown.splitlines()) <= LINES
    assert [line for line in shown.splitlines() if len(line) > COLUMNS] == []


def test_pre_commit_runs_the_steps_of_make_lint() -> None:
    (recipe,) = re.findall(r"^lint:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    steps = [line.strip().replace("$(PY)", ".venv/bin/python") for line in recipe.splitlines()]
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert local["repo"] == "local"
    assert [hook["entry"].removeprefix("env ") for hook in local["hooks"]] == steps
    assert {hook["language"] for hook in local["hooks"]} == {"system"}
