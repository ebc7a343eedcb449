"""The documentation page: the OpenAPI document as one HTML page that needs nothing else, so that it works offline."""

import json
from html import escape
from typing import Any

from app.web.bodies import FORM

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_STYLE = """
:root{color-scheme:light dark;--line:#8884;--soft:#8881}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
code,pre{font:14px/1.45 ui-monospace,monospace}
pre{background:var(--soft);padding:.75rem;border-radius:.4rem;overflow:auto}
details{border:1px solid var(--line);border-radius:.4rem;margin:.5rem 0;padding:.5rem .75rem}summary{cursor:pointer}
summary b{display:inline-block;min-width:4.5rem}table{border-collapse:collapse;margin:.5rem 0}
td,th{border-bottom:1px solid var(--line);padding:.25rem .75rem .25rem 0;text-align:left;vertical-align:top}
.lock{float:right;opacity:.7}
"""


def page(document: dict[str, Any]) -> bytes:
    """The page of an OpenAPI document, as UTF-8."""
    operations = "".join(
        _operation(path, method, op, document)
        for path, item in document["paths"].items()
        for method, op in item.items()
    )
    schemas = "".join(
        f'<details id="{escape(name)}"><summary><code>{escape(name)}</code> '
        f"{escape(schema.get('description', ''))}</summary><pre>{escape(json.dumps(schema, indent=2))}</pre></details>"
        for name, schema in document["components"]["schemas"].items()
    )
    title = escape(f"{document['info']['title']} {document['info']['version']}")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style><h1>{title}</h1>"
        f"<p>{escape(document['info']['description'])} "
        'The machine-readable form is <a href="openapi.json">openapi.json</a>. '
        "Send the access token of a login as <code>Authorization: Bearer …</code> where a lock is shown.</p>"
        f"<h2>Operations</h2>{operations}<h2>Shapes</h2>{schemas}</html>"
    ).encode()


def start_page(docs: str, openapi: str) -> bytes:
    """The page of people who know the host alone."""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>jobfinder</title><style>{_STYLE}</style><h1>jobfinder</h1><p>The backend of a job finder. "
        f'<a href="{escape(docs)}">How to use it</a>, <a href="{escape(openapi)}">the same for programs</a>.</p></html>'
    ).encode()


def _operation(path: str, method: str, op: dict[str, Any], document: dict[str, Any]) -> str:
    lock = '<span class="lock" title="needs an access token">&#128274;</span>' if op.get("security") else ""
    parts = [
        f"<details><summary>{lock}<b>{method.upper()}</b> <code>{escape(path)}</code> {escape(op['summary'])}</summary>"
    ]
    if parameters := op.get("parameters"):
        rows = "".join(_row(f"{p['name']} ({p['in']})", p.get("description", ""), p["schema"]) for p in parameters)
        parts.append(f"<table><tr><th>parameter<th>meaning<th>schema{rows}</table>")
    if body := op.get("requestBody"):
        media_type, content = next(iter(body["content"].items()))
        given = _example(media_type, content["schema"], document)
        shapes = ", ".join(f"{_link(each['schema'])} ({escape(name)})" for name, each in body["content"].items())
        parts.append(f"<p>Body: {shapes}</p>")
        curl = f"curl -X {method.upper()} $URL{path} -H 'Content-Type: {media_type}' \\\n  -d '{given}'"
        parts.append(f"<pre>{escape(curl)}</pre>")
    answers = "".join(
        f"<tr><td>{status}<td>{escape(answer['description'])}<td>{_content(answer)}"
        for status, answer in op["responses"].items()
    )
    parts.append(f"<table><tr><th>status<th>meaning<th>body{answers}</table></details>")
    return "".join(parts)


def _row(name: str, meaning: str, schema: dict[str, Any]) -> str:
    return f"<tr><td><code>{escape(name)}</code><td>{escape(meaning)}<td><code>{escape(json.dumps(schema))}</code>"


def _content(answer: dict[str, Any]) -> str:
    return " ".join(_link(content["schema"]) for content in answer.get("content", {}).values())


def _link(schema: dict[str, Any]) -> str:
    name = schema.get("$ref", "").rpartition("/")[2]
    return (
        f'<a href="#{escape(name)}"><code>{escape(name)}</code></a>'
        if name
        else f"<code>{escape(json.dumps(schema))}</code>"
    )


def _example(media_type: str, schema: dict[str, Any], document: dict[str, Any]) -> str:
    shape = document["components"]["schemas"].get(schema.get("$ref", "").rpartition("/")[2], {})
    example = {name: each.get("examples", ["…"])[0] for name, each in shape.get("properties", {}).items()}
    if media_type == FORM:
        return "&".join(f"{name}={value}" for name, value in example.items())
    return json.dumps(example, ensure_ascii=False)
