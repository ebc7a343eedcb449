"""What all resources have in common: whether they need a session, what counts them, and whether they have a tag."""

import falcon
import msgspec

_encode = msgspec.json.Encoder().encode


class Resource:
    """Needs a valid session unless a subclass says `public = True`.

    An open resource counts the requests of each client network, unless a subclass says `counted = False`: probes and
    metrics count nothing, others count by themselves. The methods in `open_to_all` of another resource are open as
    well; a token that comes with them has to be valid, and its user's requests are counted instead.
    """

    public = False
    counted = True
    open_to_all: frozenset[str] = frozenset()

    def tag(self, req: falcon.Request, **params: object) -> str | None:
        """The entity tag of what the request would read or change now; conditions are evaluated where there is one."""
        return None


READING = frozenset(("GET", "HEAD"))
"""For `open_to_all`."""


def has_tag(kind: object) -> bool:
    """Whether a resource class has entity tags."""
    return getattr(kind, "tag", Resource.tag) is not Resource.tag


def allowed_methods(resource: object) -> list[str]:
    """What the `Allow` header of a 405 names."""
    return ["OPTIONS", *(method for method in falcon.HTTP_METHODS if hasattr(resource, f"on_{method.lower()}"))]


def headers_of(resp: falcon.Response) -> dict[str, str]:
    """The headers by lower-case name; `set_header` does the same for five times the cost, which a hot path feels."""
    return resp._headers  # noqa: SLF001


def answer(resp: falcon.Response, body: object, status: int = 200) -> None:
    """Encode `body` as JSON into `resp`."""
    resp.data = _encode(body)
    resp.status = status


def locate(req: falcon.Request, resp: falcon.Response, path: str) -> None:
    """Say where the new resource is, in the way that clients spell its path (`PATH_PREFIX`)."""
    resp.set_header("Location", req.root_path + path)
