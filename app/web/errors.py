"""Converts product errors to HTTP responses, as problem documents (RFC 9457); no other module does."""

import logging
from typing import Annotated, Any

import falcon
import msgspec

from app.errors import FIELDS_MAX, Invalid, ProductError, Unavailable

PROBLEM_TYPE = "application/problem+json"
_DETAIL_MAX = 500
log = logging.getLogger(__name__)


class Refusal(msgspec.Struct):
    """A problem found before the request is read, and so without a request id."""

    type: str
    title: str
    status: int
    code: str


class FieldProblem(msgspec.Struct, omit_defaults=True):
    """One invalid field, and the known name or value that was probably meant."""

    field: str
    code: str
    message: str
    did_you_mean: str = ""


class Problem(Refusal, omit_defaults=True, kw_only=True):
    """RFC 9457, with a stable `code` for programs and the request's id; `fields` are the first of `count` errors."""

    request_id: str
    detail: str = ""
    fields: Annotated[list[FieldProblem], msgspec.Meta(max_length=FIELDS_MAX)] = []
    count: int = 0


def add_error_handlers(app: "falcon.App[Any, Any]") -> None:
    """Answer every exception with a problem document, including Falcon's own and unexpected ones."""
    app.add_error_handler(Exception, _unforeseen)
    app.add_error_handler(falcon.HTTPError, _http_error)
    app.add_error_handler(falcon.HTTPStatus, _http_status)
    app.add_error_handler(ProductError, _product_error)


def problem(resp: falcon.Response, request_id: str, error: ProductError) -> None:
    """Fill `resp` with the problem document of `error`."""
    document = Problem(
        f"urn:jobfinder:problem:{error.code}", error.title, error.status, error.code, request_id=request_id
    )
    if isinstance(error, Invalid):
        document.fields = [
            FieldProblem(each.field, each.code, each.message, each.did_you_mean or "") for each in error.fields
        ]
        document.count = error.count
    else:
        document.detail = error.detail[:_DETAIL_MAX]
    resp.status = error.status
    resp.content_type = PROBLEM_TYPE
    resp.data = msgspec.json.encode(document)
    resp.text = None
    resp.set_header("Cache-Control", "no-store")
    for name, value in error.headers().items():
        resp.set_header(name, value)


def _product_error(req: falcon.Request, resp: falcon.Response, error: ProductError, params: dict[str, Any]) -> None:
    if isinstance(error, Unavailable):
        log.warning("answered 503", extra={"reason": error.detail, "request_id": req.context.request_id})
    problem(resp, req.context.request_id, error)


class _HttpProblem(ProductError):
    """One of Falcon's own errors, such as an unknown route, as a product error."""

    def __init__(self, status: int, title: str, detail: str, headers: dict[str, str]) -> None:
        super().__init__(detail)
        self.status = status  # type: ignore[misc]
        self.title = title  # type: ignore[misc]
        self.code = title.lower().replace(" ", "_").replace("-", "_")  # type: ignore[misc]
        self._headers = headers

    def headers(self) -> dict[str, str]:
        return self._headers


def _http_error(req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError, params: dict[str, Any]) -> None:
    phrase = falcon.code_to_http_status(error.status).partition(" ")[2]
    headers = dict(error.headers or {})
    problem(resp, req.context.request_id, _HttpProblem(error.status_code, phrase, error.description or "", headers))


def _http_status(req: falcon.Request, resp: falcon.Response, status: falcon.HTTPStatus, params: dict[str, Any]) -> None:
    resp.status = status.status
    resp.text = status.text
    for name, value in dict(status.headers or {}).items():
        resp.set_header(name, value)


def _unforeseen(req: falcon.Request, resp: falcon.Response, error: Exception, params: dict[str, Any]) -> None:
    log.error("unhandled exception", extra={"request_id": req.context.request_id}, exc_info=error)
    problem(resp, req.context.request_id, ProductError())
