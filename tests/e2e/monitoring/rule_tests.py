"""The files of rules/, one for each file of the chart's alerts/: promtool test groups with placeholders.

`<app>`, `<operator>` and `<realtime>` stand for the namespace and job labels; each expected alert gets its runbook_url.
"""

import json
import shutil
import subprocess
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.chart.rendering import NAMESPACE
from tests.e2e.monitoring.rendering import FULLNAME, RUNBOOKS, groups

FOLDER = Path(__file__).parent / "rules"
FILES = sorted(FOLDER.glob("*.yaml"))
RECORDED = "slo"

Group = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One check of a test group: whether `alert` fires, and with which labels."""

    alert: str
    labels: tuple[Mapping[str, str], ...]


def read(path: Path, fullname: str = FULLNAME) -> list[Group]:
    """Return the test groups of one file for the release `fullname`."""
    text = path.read_text()
    for word, job in (("<app>", ""), ("<operator>", "-operator"), ("<realtime>", "-realtime")):
        text = text.replace(word, f'namespace="{NAMESPACE}",job="{fullname}{job}"')
    found: list[Group] = yaml.safe_load(text)
    for series in (series for group in found for series in group["input_series"]):
        assert isinstance(series["values"], str), f"{path.name}: YAML reads {series['values']} as a number; quote it"
    for test in (test for group in found for test in group.get("alert_rule_test", ())):
        for alert in test.get("exp_alerts", ()):
            alert["exp_annotations"]["runbook_url"] = f"{RUNBOOKS}{test['alertname']}.md"
    return found


def cases() -> Iterator[Case]:
    """Every alert check of every file."""
    for group in (group for path in FILES for group in read(path)):
        for test in group.get("alert_rule_test", ()):
            yield Case(test["alertname"], tuple(alert["exp_labels"] for alert in test.get("exp_alerts", ())))


def promtool(*arguments: str) -> str:
    """Return promtool's output; fails with that output if promtool fails."""
    program = shutil.which("promtool")
    assert program, "promtool is missing: it is in Debian's package prometheus"
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def write_rules(folder: Path, only: Collection[str] = ()) -> list[str]:
    """The rendered rules (or the groups of `only` these alert files) as rules.yaml; returns the groups' names.

    Recording rules come first, so that alerts see their values in the same evaluation.
    """
    chosen = [group for group in groups() if not only or group["name"].removeprefix(f"{FULLNAME}.") in only]
    chosen.sort(key=lambda group: "record" not in group["rules"][0])
    (folder / "rules.yaml").write_text(json.dumps({"groups": chosen}))
    return [group["name"] for group in chosen]


def run(tests: list[Group], folder: Path, name: str) -> None:
    """Run promtool's tests of the alert file `name`; rules are evaluated at the sample interval of each test group."""
    order = write_rules(folder, {name, RECORDED})
    for interval in sorted({group["interval"] for group in tests}):
        path = folder / f"every-{interval}.yaml"
        those = [group for group in tests if group["interval"] == interval]
        asked = {"evaluation_interval": interval, "group_eval_order": order, "tests": those}
        path.write_text(json.dumps({"rule_files": ["rules.yaml"], **asked}))
        promtool("test", "rules", str(path))
