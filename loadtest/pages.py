"""Generated parts of pages: what stands between <!-- name --> and <!-- /name -->."""

from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"


def replaced(text: str, name: str, content: str) -> str:
    """The page with `content` between the markers of `name`; raises ValueError if it has none."""
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the page has no part between {begin.strip()} and {end}")
    return f"{before}{begin}{content.rstrip()}\n{end}{after}"


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """A table; `|` in cells is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"
