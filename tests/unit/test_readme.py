"""README.md says what the code does."""

import re
from pathlib import Path

from app.local.readme import generated
from app.routes import ROUTES, route_labels
from app.web.openapi.description import document

CHECKOUT = Path(__file__).resolve().parents[2]
README = (CHECKOUT / "README.md").read_text()


def test_the_generated_parts_are_up_to_date() -> None:
    assert generated(README) == README, "run `make docs`"


def test_every_operation_has_its_row_and_no_row_is_made_up() -> None:
    rows = set(re.findall(r"^\| `([A-Z]+ /[^`]*)`", README, re.MULTILINE))
    paths = document(ROUTES)["paths"]
    assert rows == {f"{method.upper()} {path}" for path, item in paths.items() for method in item}


def test_the_rows_of_open_endpoints_are_marked() -> None:
    marked = set(re.findall(r"^\| `([A-Z]+ /[^`]*)` \*open\*", README, re.MULTILINE))
    assert marked == {
        f"{method.upper()} {path}"
        for path, item in document(ROUTES)["paths"].items()
        for method, operation in item.items()
        if {} in operation.get("security", [{}])
    }


def test_every_file_that_is_named_exists() -> None:
    named = re.findall(r"`((?:app|tests|loadtest)/[\w/.]*)`", README)
    assert named
    assert [path for path in named if not (CHECKOUT / path).exists()] == []


def test_the_description_covers_every_responder() -> None:
    described = {(method.upper(), path) for path, item in document(ROUTES)["paths"].items() for method in item}
    served = {(method, path) for method, path in route_labels() if path and method != "HEAD"}
    assert described == served
