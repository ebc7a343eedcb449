"""The superclass of all resources: whether they need a session, whether they are counted, and their entity tag."""

from collections.abc import Callable
from operator import attrgetter

import falcon
import msgspec

from app.config import Activity

_encode = msgspec.json.Encoder().encode


class Resource:
    """A resource needs a valid session unless its class sets `public = True`.

    Requests to a public resource count for the client's network, unless the class sets `counted = False`: probes and
    metrics are not counted, and other resources count by themselves. The methods in `open_to_all` need no session
    either; if the request has a token, it must be valid, and the request counts for its user. Writing requests to a
    resource with an `activity` may need an account that has proven its address. While the process may not write, they
    are refused, unless the class sets `requires_writing = False` and itself refuses those that do write.
    """

    public = False
    counted = True
    open_to_all: frozenset[str] = frozenset()
    activity: Activity | None = None
    requires_writing = True

    def tag(self, req: falcon.Request, **params: object) -> str | None:
        """The current entity tag of the resource, for conditional requests; None if it has none."""
        return None


READING = frozenset(("GET", "HEAD"))
"""For `open_to_all`."""


def has_tag(kind: object) -> bool:
    """Whether a resource class has entity tags."""
    return getattr(kind, "tag", Resource.tag) is not Resource.tag


def allowed_methods(resource: object) -> list[str]:
    """The methods for the `Allow` header of a 405."""
    return ["OPTIONS", *(method for method in falcon.HTTP_METHODS if hasattr(resource, f"on_{method.lower()}"))]


headers_of: Callable[[falcon.Response], dict[str, str]] = attrgetter("_headers")
"""The headers by lower-case name; Falcon's `set_header` costs five times as much, too much for a hot path."""


def answer(resp: falcon.Response, body: object, status: int = 200) -> None:
    """Encode `body` as JSON into `resp`."""
    resp.data = _encode(body)
    resp.status = status


def answer_tagged(resp: falcon.Response, body: object, tag: str, status: int = 200) -> None:
    """`answer` with an entity tag; only the asker's cache may keep it, and must ask again each time."""
    answer(resp, body, status)
    headers = headers_of(resp)
    headers["etag"] = tag
    headers["cache-control"] = "private, no-cache"


def given(req: falcon.Request) -> dict[str, list[str]]:
    """The values of each parameter of the query as a list."""
    return {name: value if isinstance(value, list) else [value] for name, value in req.params.items()}


def locate(req: falcon.Request, resp: falcon.Response, path: str) -> None:
    """Set Location to the path of the new resource, below `PATH_PREFIX`."""
    resp.set_header("Location", req.root_path + path)
