"""Cross-origin requests of browsers (the Fetch standard's CORS protocol), for origins that the settings name."""

from typing import Any

import falcon

from app.web.openapi.description import HEADERS
from app.web.resource import allowed_methods, headers_of

EXPOSED = ", ".join((*HEADERS, "Allow", "traceparent", "X-Request-ID"))
TAKEN = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, traceparent, X-Request-ID"
"""The same for every route: many clients send their token and their content type wherever they ask."""

_REMEMBER_SECONDS = "7200"


class CorsMiddleware:
    """Falcon middleware; who is asking shows in the Authorization header alone, so that credentials of the browser,
    such as cookies, are never allowed for.
    """

    def __init__(self, origins: tuple[str, ...]) -> None:
        self._anybody, self._origins = "*" in origins, frozenset(origins)

    def process_response(self, req: falcon.Request, resp: falcon.Response, resource: Any, succeeded: bool) -> None:
        """Headers of every response, also of a refusal, which a page could not read otherwise."""
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
