"""Cross-origin requests of browsers (CORS, Fetch standard) from the origins in `CORS_ORIGINS`."""

from typing import Any

import falcon

from app.web.openapi.description import HEADERS
from app.web.resource import allowed_methods, headers_of

EXPOSED = ", ".join((*HEADERS, "Allow", "traceparent", "X-Request-ID"))
TAKEN = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, traceparent, X-Request-ID"
"""Request headers allowed on every route: many clients send a token and a content type with each request."""

_REMEMBER_SECONDS = "7200"


class CorsMiddleware:
    """Falcon middleware; never allows the browser's credentials, such as cookies: the API uses Authorization only."""

    def __init__(self, origins: tuple[str, ...]) -> None:
        self._anybody, self._origins = "*" in origins, frozenset(origins)

    def process_response(self, req: falcon.Request, resp: falcon.Response, resource: Any, succeeded: bool) -> None:
        """Set the headers of every response, including errors: without them the page could not read the error."""
        headers, origin = headers_of(resp), req.env.get("HTTP_ORIGIN")
        if not self._anybody:
            resp.append_header("Vary", "Origin")
        if origin is None or not (self._anybody or origin in self._origins):
            return
        headers["access-control-allow-origin"] = "*" if self._anybody else origin
        headers["access-control-expose-headers"] = EXPOSED
        if req.method == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in req.env and resource is not None:
            headers["access-control-allow-methods"] = ", ".join(allowed_methods(resource)[1:])
            headers["access-control-allow-headers"] = TAKEN
            headers["access-control-max-age"] = _REMEMBER_SECONDS
