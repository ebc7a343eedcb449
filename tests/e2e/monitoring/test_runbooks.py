"""Each alert has a runbook page, each page has an alert, and all pages have the same structure."""

import re
from pathlib import Path

import pytest

from tests.e2e.chart.rendering import CHART
from tests.e2e.monitoring.rendering import RUNBOOKS, alerts

PAGES = sorted((CHART / "runbooks").glob("*.md"))
HEADINGS = [
    "What it means",
    "Who is hurt",
    "Look first",
    "Causes, the likeliest first",
    "What helps",
    "What not to do",
]
VARIABLES = {"NS", "F", "POD"}


def test_every_alert_links_to_its_page_and_every_page_has_an_alert() -> None:
    linked = {rule["alert"]: rule["annotations"]["runbook_url"] for rule in alerts()}
    assert linked == {page.stem: f"{RUNBOOKS}{page.name}" for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_have_the_same_structure(page: Path) -> None:
    text = page.read_text()
    assert text.startswith(f"# {page.stem}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS
    commands = text.split("```sh\n")[1].split("```")[0]
    used = set(re.findall(r"\$\(?([A-Z]+)", commands))
    assert used <= VARIABLES
    explained = text.split("## ")[0] + commands
    assert all(f"`${name}`" in explained or f"for {name} in" in commands for name in used), used


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_name_alerts_and_values_that_exist(page: Path) -> None:
    text = page.read_text()
    assert set(re.findall(r"\bJobfinder[A-Z]\w+", text)) <= {each.stem for each in PAGES}
    values = (CHART / "values.yaml").read_text()
    named = re.findall(r"`(?:hpa|memcached|pgbouncer|monitoring|migrations|networkPolicy|strategy)\.([\w.]+)`", text)
    assert all(f" {name.rsplit('.', 1)[-1]}:" in values for name in named), named
