"""The page for browsers in development: GraphiQL, whose files the service itself serves. The image leaves them out."""

from pathlib import Path

from app.web.openapi.page import HEAD, NOTHING_ELSE, packed

_FOLDER = Path(__file__).with_name("graphiql")
_FILES = ("graphiql.js", "graphiql.css", "graphiql-start.js")

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " + NOTHING_ELSE
)
PAGE = (
    f'{HEAD}<title>GraphiQL</title><link rel="stylesheet" href="docs/graphiql.css">'
    '<script src="docs/graphiql.js" defer></script><script src="docs/graphiql-start.js" defer></script>'
    '<div id="graphiql"></div><noscript>POST a query to this URL.</noscript></html>'
).encode()


def files() -> dict[str, bytes]:
    """The files that the page loads from `/docs/`, compressed with gzip; none in the image."""
    return {name: packed(_FOLDER / name) for name in _FILES} if _FOLDER.exists() else {}
