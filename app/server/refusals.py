"""Refuses or corrects requests that gunicorn accepts against HTTP/1.1; headers.h does the same for meinheld."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

METHODS = frozenset(
    {
        *("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"),
        *("COPY", "LOCK", "UNLOCK", "MKCOL", "MOVE", "PROPFIND", "PROPPATCH"),
        *("REPORT", "MKACTIVITY", "CHECKOUT", "MERGE", "QUERY"),
    }
)
PORT = r"(?::[0-9]*)?"
ADDRESS = r"\[[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*\]"
NAME = r"(?:[\w.~!$&'()*+;=-]|%[0-9A-Fa-f]{2})+"
AUTHORITY = rf"(?:{ADDRESS}|{NAME}){PORT}"
HOST = re.compile(rf"(?:{AUTHORITY})?", re.ASCII)
ABSOLUTE = re.compile(rf"https?://({AUTHORITY})(?=[/?]|$)", re.ASCII | re.IGNORECASE)
BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


class Refusal(Exception):
    """The request is answered with `status`, and the connection is closed."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def examine(request: Any, body_limit: Callable[[str, str], int]) -> int:
    """Apply RFC 9110 and 9112 to a gunicorn request; returns the most bytes of its body, raises Refusal."""
    if request.version > (1, 1):  # RFC 9110, 2.5
        request.version = (1, 1)
    codings = _elements(request, "TRANSFER-ENCODING")
    if codings and codings != ["chunked"]:  # RFC 9112, 6.1; gunicorn has made sure that the last one is chunked
        raise Refusal(501)
    _examine_host(request)
    if request.method not in METHODS:  # RFC 9110, 9.1
        raise Refusal(501)
    _examine_target(request)
    if "close" in _elements(request, "CONNECTION"):  # RFC 9112, 9.6
        request.force_close()
    limit = body_limit(request.method, unquote(request.path, "latin-1"))
    length = int(_value(request, "CONTENT-LENGTH") or 0)
    if length > limit:
        raise Refusal(413)
    return limit if codings else length


def _examine_host(request: Any) -> None:
    """RFC 9112, 3.2; gunicorn refuses a second one."""
    host = _value(request, "HOST")
    if (host is None and request.version == (1, 1)) or not HOST.fullmatch(host or ""):
        raise Refusal(400)


def _examine_target(request: Any) -> None:
    """RFC 9112, 3.2: no fragment, no bad escape; the authority of an absolute form takes the place of Host."""
    if "#" in request.uri or BAD_ESCAPE.search(request.path):
        raise Refusal(400)
    if request.uri.startswith(("/", "*")):
        return
    absolute = ABSOLUTE.match(request.uri)
    if absolute is None:
        raise Refusal(400)
    request.headers = [each for each in request.headers if each[0] != "HOST"] + [("HOST", absolute[1])]


def _value(request: Any, name: str) -> str | None:
    return next((value for key, value in request.headers if key == name), None)


def _elements(request: Any, name: str) -> list[str]:
    """The elements of every header of that name, in lower case."""
    lists = (value.split(",") for key, value in request.headers if key == name)
    return [element.strip(" \t").lower() for each in lists for element in each]
