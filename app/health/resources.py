"""HTTP resources of health, metrics and documentation."""

import gzip
from collections.abc import Mapping
from typing import Any

import falcon
import msgspec

from app.errors import NotFound, Unavailable
from app.health.performance import PerformanceService
from app.health.processes import PROMETHEUS
from app.health.schemas import Alive, Links, Metrics, Report
from app.health.service import HealthService
from app.web.compression import preferred
from app.web.openapi.operations import Operation, Parameter, operation
from app.web.openapi.page import (
    START_POLICY,
    VIEWER_FILES,
    VIEWER_POLICY,
    media_type,
    packed_files,
    page,
    start_page,
)
from app.web.resource import Resource, answer


class _HealthResource(Resource):
    public = True
    counted = False

    def __init__(self, service: HealthService) -> None:
        self._service = service


class Health(_HealthResource):
    """The state of the service and its dependencies."""

    @operation(Operation("Database, pooler and cache", {200: Report, 503: Report}))
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        report = self._service.report()
        answer(resp, report, 503 if report["status"] == "unavailable" else 200)

    on_head = on_get


class Live(_HealthResource):
    """Liveness: the process answers; no dependency is checked."""

    @operation(Operation("The process answers", {200: Alive}))
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        answer(resp, Alive("ok"))

    on_head = on_get


class Ready(_HealthResource):
    """Readiness: the service can serve requests."""

    @operation(Operation("The service can serve requests", {200: Alive}, errors=(503,)))
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        if problem := self._service.readiness():
            raise Unavailable(problem)
        answer(resp, Alive("ok"))

    on_head = on_get


class _Measured(Resource):
    public = True
    counted = False

    def __init__(self, service: PerformanceService) -> None:
        self._service = service


class PerformanceMetrics(_Measured):
    """Metrics as JSON, for people."""

    @operation(Operation("Counts, latencies and cache hits of all workers", {200: Metrics}))
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        answer(resp, self._service.metrics())

    on_head = on_get


class PrometheusMetrics(_Measured):
    """Metrics in the text format of Prometheus."""

    @operation(Operation("Metrics in the text format of Prometheus", {200: str}, media_type="text/plain"))
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.data = self._service.exposition()
        resp.content_type = PROMETHEUS

    on_head = on_get


class OpenApi(Resource):
    """The OpenAPI document."""

    public = True

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = msgspec.json.encode(document)

    @operation(Operation("This OpenAPI document", {200: dict[str, Any]}, errors=(429,), keep="public"))
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.data = self._document
        resp.set_header("Cache-Control", "public, max-age=300")

    on_head = on_get


class Start(Resource):
    """The root URL: links to the documentation, as JSON or as a page."""

    public = True

    @operation(
        Operation(
            "Links to the documentation, as JSON; a page for browsers", {200: Links}, errors=(429,), keep="public"
        )
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        links = Links(*(req.root_path + path for path in ("/docs", "/openapi.json", "/.well-known/jwks.json")))
        resp.set_header("Cache-Control", "public, max-age=300")
        resp.append_header("Vary", "Accept")
        if req.client_prefers((falcon.MEDIA_JSON, falcon.MEDIA_HTML)) != falcon.MEDIA_HTML:
            answer(resp, links)
            return
        resp.data, resp.content_type = start_page(links.docs, links.openapi), falcon.MEDIA_HTML
        resp.set_header("Content-Security-Policy", START_POLICY)

    on_head = on_get


class Documentation(Resource):
    """The documentation page, where a user can log in and try requests."""

    public = True

    def __init__(self, document: dict[str, Any]) -> None:
        self._page = page(document)

    @operation(Operation("The documentation page", {200: str}, errors=(429,), media_type="text/html", keep="public"))
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.data = self._page
        resp.content_type = falcon.MEDIA_HTML
        resp.set_header("Content-Security-Policy", VIEWER_POLICY)
        resp.set_header("Cache-Control", "public, max-age=300")

    on_head = on_get


class DocumentationFile(Resource):
    """A file of the documentation page, or one of `further`, which are packed by gzip."""

    public = True

    def __init__(self, further: Mapping[str, bytes]) -> None:
        self._packed = {**packed_files(), **further}
        self._plain: dict[str, bytes] = {}

    @operation(
        Operation(
            "A script or the style sheet of the documentation page",
            {200: str},
            errors=(404, 429),
            parameters=(Parameter("file", "path", {"enum": list(VIEWER_FILES)}, "", required=True),),
            media_type="text/*",
            keep="public",
        )
    )
    def on_get(self, req: falcon.Request, resp: falcon.Response, file: str) -> None:
        if file not in self._packed:
            raise NotFound
        resp.content_type = media_type(file)
        resp.set_header("Cache-Control", "public, max-age=3600")
        resp.append_header("Vary", "Accept-Encoding")
        if preferred(req.env.get("HTTP_ACCEPT_ENCODING", ""), ("gzip",)):
            resp.data = self._packed[file]
            resp.set_header("Content-Encoding", "gzip")
        else:
            resp.data = self._unpacked(file)

    def _unpacked(self, file: str) -> bytes:
        """The file for clients that take no gzip: one for all of them, however slowly they read."""
        found = self._plain.get(file)
        if found is None:
            found = self._plain[file] = gzip.decompress(self._packed[file])
        return found

    on_head = on_get
