"""Puts docs/promises.json, which `make bench-promises` has written, as a table into docs/performance.md."""

from loadtest.pages import DOCS, replaced
from loadtest.promises.results import load, table

PAGE = DOCS / "performance.md"


def generated(text: str) -> str:
    """The page with the table of the kept results."""
    return replaced(text, "promises", table(load()))


if __name__ == "__main__":
    PAGE.write_text(generated(PAGE.read_text()))
