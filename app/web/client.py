"""Where a request comes from, in a form that is safe to store."""

import falcon

from app.infra.addresses import canonical_address

_AGENT_LIMIT = 200


def client_address(req: falcon.Request) -> str | None:
    """The peer, or what a trusted proxy says of it; None for a Unix socket."""
    return canonical_address(req.env.get("REMOTE_ADDR") or "")


def client_agent(req: falcon.Request) -> str:
    """The User-Agent without control characters, cut to what anybody would want to read."""
    given = req.env.get("HTTP_USER_AGENT") or ""
    return "".join(char for char in given[:_AGENT_LIMIT] if char.isprintable())
