"""The examples of the page on GitOps."""

import re
from typing import Any

import yaml

from tests.e2e.cluster.config import ROOT

PAGE = (ROOT / "docs" / "gitops.md").read_text()


def block(title: str) -> Any:
    """The YAML whose first line is that comment."""
    found = re.search(rf"```yaml\n# {re.escape(title)}.*?\n(.*?)```", PAGE, re.DOTALL)
    assert found, f"the page has no {title}"
    return yaml.safe_load(found[1])
