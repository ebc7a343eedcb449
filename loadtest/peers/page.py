"""Puts docs/peers.json, results that `make bench` has written, as tables and plots into docs/performance.md."""

from loadtest.bed import CHECKOUT
from loadtest.pages import replaced
from loadtest.peers import tables
from loadtest.peers.results import load

PAGE, KEPT = CHECKOUT / "docs" / "performance.md", CHECKOUT / "docs" / "peers.json"
MARKER = "peers"


def generated(text: str) -> str:
    """The page with the tables of the kept results. Raises ValueError if it has no markers for them."""
    return replaced(text, MARKER, tables.page(load(KEPT)))


if __name__ == "__main__":
    PAGE.write_text(generated(PAGE.read_text()))
    tables.draw(load(KEPT))
