"""Headers that kept answers ignore are those that the application does not read."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
SCAN = ROOT / "app" / "server" / "meinheld" / "csource" / "answers_scan.h"
NOT_IN_ANSWERS = {"HTTP_USER_AGENT", "HTTP_X_FORWARDED_PROTO"}
"""The first is stored with a session; the second becomes the scheme, while links come from settings."""


def read_by_the_application() -> set[str]:
    """As WSGI names them."""
    text = "".join(path.read_text() for path in (ROOT / "app").rglob("*.py"))
    asked = re.findall(r"get_header\(\"([\w-]+)\"", text)
    return {*re.findall(r"\"(HTTP_[A-Z_]+)\"", text), *map(wsgi_name, asked)}


def wsgi_name(header: str) -> str:
    return "HTTP_" + header.upper().replace("-", "_")


def test_application_reads_no_header_that_is_ignored() -> None:
    ignored = {wsgi_name(name) for name in re.findall(r"IGNORED\(\"([\w-]+)\"\)", SCAN.read_text())}
    assert len(ignored) > 40
    assert ignored & read_by_the_application() == NOT_IN_ANSWERS
