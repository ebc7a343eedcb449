"""Puts docs/peers.json, results that `make bench` has written, as a table into docs/performance.md."""

from loadtest.bed import CHECKOUT
from loadtest.peers.results import load, markdown

PAGE, KEPT = CHECKOUT / "docs" / "performance.md", CHECKOUT / "docs" / "peers.json"
_BEGIN, _END = "<!-- peers -->\n", "<!-- /peers -->"


def generated(text: str) -> str:
    """The page with the table of the kept results, if it has markers for it."""
    before, found, rest = text.partition(_BEGIN)
    if not found:
        return text
    return before + _BEGIN + markdown(load(KEPT)) + _END + rest.partition(_END)[2]


if __name__ == "__main__":
    PAGE.write_text(generated(PAGE.read_text()))
