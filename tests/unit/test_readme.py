"""README.md and docs/ agree with the code."""

import re
from pathlib import Path

from app.local.readme import generated, pages
from app.routes import ROUTES, route_labels
from app.web.openapi.description import document

CHECKOUT = Path(__file__).resolve().parents[2]
README = (CHECKOUT / "README.md").read_text()
API = (CHECKOUT / "docs" / "api.md").read_text()
LINES, SCREEN = 200, 25


def test_generated_tables_are_up_to_date() -> None:
    texts = [path.read_text() for path in pages(CHECKOUT)]
    assert [generated(text) for text in texts] == texts, "run `make docs`"
    for table in ("settings", "pod", "tuning"):
        assert sum(f"<!-- {table} -->" in text for text in texts) == 1


def test_readme_is_short_and_starts_with_how_to_run_it() -> None:
    lines = README.splitlines()
    assert len(lines) <= LINES
    assert {"    make run", "    make test"} <= set(lines[:SCREEN])


def test_api_table_has_one_row_per_operation() -> None:
    rows = set(re.findall(r"^\| `([A-Z]+ /[^`]*)`", API, re.MULTILINE))
    paths = document(ROUTES)["paths"]
    assert rows == {f"{method.upper()} {path}" for path, item in paths.items() for method in item}


def test_readme_names_only_endpoints_that_exist() -> None:
    table = README.partition("| area |")[2].partition("|---|---|\n")[2].partition("\n\n")[0]
    named = re.findall(r"(/(?:\w|[-/{}])+)`", table)
    paths = {path.removeprefix("/api/v1") for path in document(ROUTES)["paths"]}
    assert named
    assert [name for name in named if not any(path.startswith(name) for path in paths)] == []


def test_the_rows_of_open_endpoints_are_marked() -> None:
    marked = set(re.findall(r"^\| `([A-Z]+ /[^`]*)` \*open\*", API, re.MULTILINE))
    assert marked == {
        f"{method.upper()} {path}"
        for path, item in document(ROUTES)["paths"].items()
        for method, operation in item.items()
        if {} in operation.get("security", [{}])
    }


def test_the_description_covers_every_responder() -> None:
    described = {(method.upper(), path) for path, item in document(ROUTES)["paths"].items() for method in item}
    served = {(method, path) for method, path in route_labels() if path and method != "HEAD"}
    assert described == served
