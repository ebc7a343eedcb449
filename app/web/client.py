"""Where a request comes from, in a form that is safe to store."""

from contextlib import suppress

import falcon

from app.infra.addresses import canonical_address

_AGENT_LIMIT = 200


def client_address(req: falcon.Request) -> str | None:
    """The peer, or what a trusted proxy says of it; None for a Unix socket."""
    return canonical_address(req.env.get("REMOTE_ADDR") or "")


def client_agent(req: falcon.Request) -> str:
    """The User-Agent without control characters, cut to what anybody would want to read.

    Bytes that are no UTF-8 are ISO 8859-1.
    """
    given = req.env.get("HTTP_USER_AGENT") or ""
    with suppress(UnicodeError):
        given = given.encode("latin-1").decode()
    return "".join(char for char in given if char.isprintable())[:_AGENT_LIMIT]
