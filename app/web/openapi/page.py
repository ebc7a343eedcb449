"""The documentation page: a viewer of the OpenAPI document. The service serves all its files, so it works offline."""

import gzip
from html import escape
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).with_name("viewer")
NOTHING_ELSE = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
START_POLICY = f"default-src 'none'; img-src data:; {NOTHING_ELSE}"
VIEWER_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " + NOTHING_ELSE
)
HEAD = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    '<link rel="icon" href="data:,">'
)
VIEWER_FILES = ("swagger-ui-bundle.js", "swagger-ui.css", "start.js")
"""The files that the page loads from `/docs/`."""

_MEDIA_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}


def packed_files() -> dict[str, bytes]:
    """The files of the viewer, compressed with gzip; the large ones are stored compressed to save time at start."""
    return {name: packed(_FOLDER / name) for name in VIEWER_FILES}


def media_type(name: str) -> str:
    """Of a file of a page."""
    return _MEDIA_TYPES[Path(name).suffix]


def packed(path: Path) -> bytes:
    """The file, compressed with gzip; it may be stored so, with this ending of its name."""
    kept = path.with_name(f"{path.name}.gz")
    return kept.read_bytes() if kept.exists() else gzip.compress(path.read_bytes(), mtime=0)


def page(document: dict[str, Any]) -> bytes:
    """The page of an OpenAPI document, as UTF-8; a browser that runs no scripts shows a list of the operations."""
    title = escape(f"{document['info']['title']} {document['info']['version']}")
    operations = "".join(
        f"<li><code>{method.upper()} {escape(path)}</code> {escape(op['summary'])}"
        for path, item in document["paths"].items()
        for method, op in item.items()
    )
    return (
        f'{HEAD}<title>{title}</title><link rel="stylesheet" href="docs/swagger-ui.css">'
        '<script src="docs/swagger-ui-bundle.js" defer></script><script src="docs/start.js" defer></script>'
        f'<div id="viewer"></div><noscript><h1>{title}</h1>'
        '<p>The description for programs is <a href="openapi.json">openapi.json</a>.</p>'
        f"<ul>{operations}</ul></noscript></html>"
    ).encode()


def start_page(docs: str, openapi: str) -> bytes:
    """The page at `/`: links to the documentation page and the OpenAPI document, as UTF-8."""
    return (
        f"{HEAD}<title>jobfinder</title><h1>jobfinder</h1><p>The backend of a job finder. "
        f'<a href="{escape(docs)}">How to use it</a>, <a href="{escape(openapi)}">the same for programs</a>.</p></html>'
    ).encode()
