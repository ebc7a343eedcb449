"""The YAML examples of docs/gitops.md."""

import re
from typing import Any

import yaml

from tests.e2e.cluster.config import ROOT

PAGE = (ROOT / "docs" / "gitops.md").read_text()


def block(title: str) -> Any:
    """Return the parsed YAML block whose first line is the comment `title`."""
    found = re.search(rf"```yaml\n# {re.escape(title)}.*?\n(.*?)```", PAGE, re.DOTALL)
    assert found, f"docs/gitops.md has no YAML block {title}"
    return yaml.safe_load(found[1])
