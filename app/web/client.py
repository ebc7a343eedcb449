"""The client of a request: its address and User-Agent, in a form that is safe to store."""

from contextlib import suppress

import falcon

from app.infra.addresses import canonical_address

_AGENT_LIMIT = 200


def client_address(req: falcon.Request) -> str | None:
    """The address of the peer, or the one that a trusted proxy reports; None for a Unix socket."""
    return canonical_address(req.env.get("REMOTE_ADDR") or "")


def client_agent(req: falcon.Request) -> str:
    """The User-Agent without control characters, cut to 200 characters.

    Text that is not valid UTF-8 is read as ISO 8859-1.
    """
    given = req.env.get("HTTP_USER_AGENT") or ""
    with suppress(UnicodeError):
        given = given.encode("latin-1").decode()
    return "".join(char for char in given if char.isprintable())[:_AGENT_LIMIT]
