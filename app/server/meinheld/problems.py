"""The server's own error responses as problem documents (RFC 9457), in Python and, for meinheld, in C."""

import json
from collections.abc import Iterable
from email.utils import formatdate

SERVER_NAME = "jobfinder"
RETRY = "Retry-After: 1\r\n"

PROBLEMS = {
    400: ("Bad Request", "bad_request", "The request cannot be understood"),
    408: ("Request Timeout", "request_timeout", "The request took too long to arrive"),
    413: ("Content Too Large", "body_too_large", "The body is too large"),
    414: ("URI Too Long", "uri_too_long", "The URL is too long"),
    417: ("Expectation Failed", "expectation_failed", "The expectation cannot be met"),
    431: ("Request Header Fields Too Large", "headers_too_large", "The headers are too large"),
    500: ("Internal Server Error", "internal", "Internal error"),
    501: ("Not Implemented", "not_implemented", "The method is not known"),
    503: ("Service Unavailable", "unavailable", "Try again later"),
    505: ("HTTP Version Not Supported", "version_not_supported", "Only HTTP/1.0 and HTTP/1.1 are spoken"),
}


def problem(status: int) -> bytes:
    """The body."""
    _, code, title = PROBLEMS[status]
    return json.dumps({"type": "about:blank", "title": title, "status": status, "code": code}).encode()


def head(status: int) -> str:
    """The status line and headers, up to the value of Date, without the CORS lines."""
    return (
        f"HTTP/1.1 {status} {PROBLEMS[status][0]}\r\nServer: {SERVER_NAME}\r\n"
        f"{RETRY if status == 503 else ''}Content-Type: application/problem+json\r\n"
        f"Content-Length: {len(problem(status))}\r\nConnection: close\r\nDate: "
    )


def response(status: int, *, with_body: bool = True, lines: str = "") -> bytes:
    """The whole response, without a body where the request was HEAD; the connection closes after it.

    `lines` are those of `origin_lines`.
    """
    start = f"{head(status)}{formatdate(usegmt=True)}\r\n{lines}\r\n"
    return start.encode() + (problem(status) if with_body else b"")


def origin_lines(origins: Iterable[str]) -> dict[str, str]:
    """The header lines by which the pages of each origin may read these answers; `*` stands for any other origin."""
    return {
        each: f"Access-Control-Allow-Origin: {each}\r\nAccess-Control-Expose-Headers: Retry-After\r\nVary: Origin\r\n"
        for each in origins
    }


def error_pages() -> str:
    """The C file that writes one of these answers; it never blocks, and the connection closes after it."""
    cases = "".join(
        f"    {f'case {status}' if status != 500 else 'default'}:\n      head = {_c_string(head(status))};\n"
        f"      body = {_c_string(problem(status).decode())};\n      break;\n"
        for status in PROBLEMS
    )
    return f"""void send_error_page(client_t *client) {{
  char page[2048];
  const char *head, *body;
  int length;
  if (client->header_done || client->response_closed) return;
  switch (client->status_code) {{
{cases}  }}
  if (client->current_req && client->current_req->method == HTTP_HEAD) body = "";
  length = snprintf(page, sizeof(page), "%s%s\\r\\n%s\\r\\n%s", head, (char *)http_time,
                    lines_for_origin(client->current_req), body);
  if (length >= (int)sizeof(page) || write(client->fd, page, length) < 0) {{
    /* a client that does not read gets no answer, nor one whose origin has lines without end */
  }}
  client->keep_alive = 0;
  client->header_done = 1;
}}

"""


def _c_string(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "\\r").replace("\n", "\\n") + '"'
