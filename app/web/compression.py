"""Compresses large enough responses with Brotli or gzip, by Accept-Encoding (RFC 9110, 12.5.3)."""

import gzip
from typing import Any

import brotli
import falcon

from app.config import Compression
from app.infra.tuning.live_tuning import LiveTuning
from app.web.conditions import coded_tag
from app.web.resource import headers_of

_COMPRESSIBLE = (
    "application/json", "application/problem+json", "application/ld+json", "application/atom+xml",
    "text/", "application/javascript", "image/svg+xml",
)  # fmt: skip


class Compress:
    """Falcon middleware; sets `Vary` if the response depends on Accept-Encoding. A resource that has set it has chosen
    the coding itself.
    """

    def __init__(self, tuning: LiveTuning) -> None:
        self._tuning = tuning

    def process_response(self, req: falcon.Request, resp: falcon.Response, resource: Any, succeeded: bool) -> None:
        body = resp.data
        settings = self._tuning.current.compression
        if body is None or len(body) < settings.minimum_bytes or not settings.enabled:
            return
        headers = headers_of(resp)
        if "accept-encoding" in headers.get("vary", "").lower() or "content-encoding" in headers:
            return
        if not headers.get("content-type", "application/json").startswith(_COMPRESSIBLE):
            return
        resp.append_header("Vary", "Accept-Encoding")
        coding = preferred(req.env.get("HTTP_ACCEPT_ENCODING", ""))
        if coding is None:
            return
        packed = _pack(coding, body, settings)
        if len(packed) < len(body):
            resp.data = packed
            headers["content-encoding"] = coding
            if "etag" in headers:
                headers["etag"] = coded_tag(headers["etag"], coding)


def preferred(accepted: str, known: tuple[str, ...] = ("gzip", "br")) -> str | None:
    """The `known` coding with the highest weight for the client, Brotli if equal; None if it accepts none."""
    if not accepted:
        return None
    weights: dict[str, float] = {}
    for part in accepted.lower().split(","):
        name, _, parameters = part.partition(";")
        weights[name.strip()] = _weight(parameters)
    anything = weights.get("*", 0.0)
    offers = [(weights.get(name, anything), name) for name in known]
    weight, best = max(offers, key=lambda offer: offer[0] + (0.0001 if offer[1] == "br" else 0))
    return best if weight > 0 else None


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


def _pack(coding: str, body: bytes, settings: Compression) -> bytes:
    if coding == "br":
        return bytes(brotli.compress(body, quality=settings.brotli_quality))
    return gzip.compress(body, settings.gzip_level, mtime=0)
