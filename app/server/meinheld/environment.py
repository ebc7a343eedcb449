"""Repairs of `http_request_parser.c`: from a parsed request to the WSGI environment."""

from app.server.meinheld.repair import Add, Cut, Repair, Replace

FILE = "http_request_parser.c"

DROP = """
  if (req->dropped) {
    req->dropped = 0;
    ret = 0;
    goto end;
  }
"""

FIELD_LIMIT = """  if (unlikely(obj == NULL)) {
    req->bad_request_code = 500;
    return -1;
  }
  if (unlikely(PyBytes_GET_SIZE(obj) > LIMIT_REQUEST_FIELD_SIZE)) {
    req->bad_request_code = 400;
    return -1;
  }

"""


def _kept_first(name: str, length: str) -> Replace:
    """Keep the pointer valid before the limit is looked at."""
    kept = FIELD_LIMIT.replace("PyBytes_GET_SIZE(obj)", f"{length}(obj)").replace("code = 400", "code = 431")
    return Replace(FILE, f"{FIELD_LIMIT}  req->{name} = obj;\n", f"  req->{name} = obj;\n{kept}")


REPAIRS = (
    Repair(
        "trailers",
        "A chunked request with any trailer reaches header state that is already given up: the worker dies.",
        "RFC 9112, 7.1.2: a recipient may discard trailers",
        tuple(
            Replace(
                FILE,
                f"static int {name}(http_parser *p, const char *buf, size_t len) {{\n",
                f"static int {name}(http_parser *p, const char *buf, size_t len) {{\n"
                "  if (p->flags & F_TRAILING) return 0;\n",
            )
            for name in ("header_field_cb", "header_value_cb")
        ),
    ),
    Repair(
        "long header in two reads",
        "A header above 8 KiB that arrives in two pieces is used after it was freed, and freed twice. The limit of a "
        "name "
        "is also taken from the wrong kind of object.",
        "meinheld issue 120",
        (_kept_first("field", "PyUnicode_GET_LENGTH"), _kept_first("value", "PyBytes_GET_SIZE")),
    ),
    Repair(
        "underscores in header names",
        "`X_Forwarded_For` becomes the same variable as `X-Forwarded-For`, and `Content_Length` the same as the real "
        "one. "
        "Such headers are dropped, as gunicorn and nginx do.",
        "RFC 3875, 4.1.18; nginx's underscores_in_headers",
        (
            Replace(FILE, "    if (s[i] > 127) {", "    if ((unsigned char)s[i] > 127) {"),
            Replace(
                FILE,
                "  if (likely(req->field == NULL)) {\n",
                "  if (memchr(buf, '_', len) != NULL) req->dropped = 1;\n\n  if (likely(req->field == NULL)) {\n",
            ),
            Replace(
                FILE,
                "  int ret = -1;\n\n#ifdef PY3\n  // TODO: error check\n",
                "  int ret = -1;\n" + DROP + "#ifdef PY3\n",
            ),
        ),
    ),
    Repair(
        "blanks around values",
        "Trailing blanks stay part of a header's value.",
        "RFC 9112, 5.1",
        (
            Replace(
                FILE,
                "  PyObject *v = PyUnicode_DecodeLatin1(c2, strlen(c2), NULL);\n  if (v == NULL) {\n    goto end;",
                "  Py_ssize_t l2 = PyBytes_GET_SIZE(req->value);\n"
                "  while (l2 > 0 && (c2[l2 - 1] == ' ' || c2[l2 - 1] == '\\t')) l2--;\n"
                "  PyObject *v = PyUnicode_DecodeLatin1(c2, l2, NULL);\n  if (v == NULL) {\n    goto end;",
            ),
            Replace(
                FILE,
                "    PyObject *w = PyUnicode_Concat(u, v);\n    Py_DECREF(v);\n",
                "    PyObject *w = PyUnicode_Concat(u, v);\n    Py_DECREF(u);\n    u = NULL;\n    Py_DECREF(v);\n",
            ),
            Replace(FILE, "    if (w == NULL) {\n      Py_DECREF(u);\n", "    if (w == NULL) {\n"),
        ),
    ),
    Repair(
        "request target",
        "Paths are percent-decoded twice, bad escapes become other letters, a fragment is cut off, an asterisk may "
        "have any method, the absolute form is taken for a path, while its authority is to replace Host, and nothing "
        "tells that a path had escapes, under which something else may have let it pass.",
        "RFC 3986, 2.4 and 6.2.2.2; RFC 9112, 3.2",
        (
            Add("headers.h"),
            Cut(FILE, "static int urldecode(", "static PyObject *concat_bytes("),
            Cut(
                FILE,
                "static int set_query(",
                "static PyObject *get_http_header_key(",
                '#include "headers.h"\n\n',
            ),
            Replace(
                FILE,
                "    free_buffer(req->path);\n    if (unlikely(ret == -1)) {",
                "    free_buffer(req->path);\n    req->path = NULL;\n    if (unlikely(ret == -1)) {",
            ),
            Replace(
                FILE,
                "  environ = PyDict_New();\n",
                "  environ = PyDict_New();\n  PyDict_SetItem(environ, query_string_key, empty_string);\n",
            ),
            Cut(FILE, "  if (likely(req->path)) {\n    ret = set_path(", "  // Last header\n"),
            Replace(
                FILE,
                "  buffer_result ret = MEMORY_ERROR;\n",
                "  buffer_result ret = MEMORY_ERROR;\n  req->method = p->method;\n",
            ),
        ),
    ),
    Repair(
        "Host, Content-Length, version, Connection and Expect",
        "Two Host headers are joined with a comma and passed on, none at all, one that is no host and versions such as "
        "2.0 are accepted, a later version of HTTP/1 is not HTTP/1.1, `Content-Length: 5 5` is 55, "
        "`Connection: close, x` keeps the connection, and 100 Continue is sent after the body it is waited for with.",
        "RFC 9112, 3.2, 6.3 and 9.3; RFC 9110, 2.5 and 10.1.1",
        (
            Replace(
                FILE,
                "static PyObject *h_content_length_key;\n",
                "static PyObject *h_content_length_key;\nstatic PyObject *host_key;\n"
                "static PyObject *connection_key;\n",
            ),
            Replace(
                FILE,
                '  content_type_key = NATIVE_FROMSTRING("CONTENT_TYPE");\n',
                '  content_type_key = NATIVE_FROMSTRING("CONTENT_TYPE");\n'
                '  host_key = NATIVE_FROMSTRING("HTTP_HOST");\n'
                '  connection_key = NATIVE_FROMSTRING("HTTP_CONNECTION");\n',
            ),
            Replace(
                FILE,
                "  client->keep_alive = http_should_keep_alive(p);\n",
                "  if (p->http_major == 1 && p->http_minor > 1) p->http_minor = 1;\n",
            ),
            Replace(
                FILE,
                "  client->current_req->method = p->method;\n",
                "  if (check_headers(p, req) < 0 || take_target(p, req) < 0) return -1;\n\n"
                "  req->keep_alive = http_should_keep_alive(p);\n"
                "  req->http_minor = p->http_minor;\n",
            ),
            Cut(
                FILE,
                "  // keep client data\n",
                '  DEBUG("fin headers_complete_cb");',
                "  answer_expectation(client);\n  client->phase = PHASE_BODY;\n",
            ),
        ),
    ),
    Repair(
        "unknown methods",
        "Methods that the parser knows and the environment does not (SEARCH, NOTIFY...) become GET. CONNECT reaches "
        "the application, whose success would make a tunnel of the connection.",
        "RFC 9110, 9.1 and 9.3.6",
        (
            Replace(
                FILE,
                "    default:\n      obj = http_method_get;\n      break;",
                "    default:\n      return refuse(req, 501);",
            ),
        ),
    ),
    Repair(
        "bodies",
        "Large bodies go to a temporary file, whose failure is not seen (a read-only or full /tmp ends the worker) and "
        "whose memory is lost; bodies are limited and stay in memory.",
        "by reading",
        (
            Cut(
                FILE,
                "    if (req->body_length > client_body_buffer_size) {\n",
                "      // default memory stream\n",
                "    {\n",
            ),
            Cut(FILE, "static int write_body2file(", "static int write_body2mem("),
            Replace(
                FILE,
                "  if (req->body_type == BODY_TYPE_TMPFILE) {\n    return write_body2file(req, buffer, buffer_len);\n"
                "  } else {\n"
                "    return write_body2mem(req, buffer, buffer_len);\n  }\n",
                "  return write_body2mem(req, buffer, buffer_len);\n",
            ),
        ),
    ),
    Repair(
        "status of exceeded limits",
        "Every limit answers 400, which does not say what was too large.",
        "RFC 6585, 5; RFC 9110, 15.5.15",
        (
            Replace(
                FILE,
                "    if (LIMIT_REQUEST_FIELDS <= req->num_headers) {\n      req->bad_request_code = 400;\n",
                "    if (LIMIT_REQUEST_FIELDS <= req->num_headers) {\n      req->bad_request_code = 431;\n",
            ),
            Replace(
                FILE,
                "    case LIMIT_OVER:\n      req->bad_request_code = 400;\n",
                "    case LIMIT_OVER:\n      req->bad_request_code = 414;\n",
            ),
        ),
    ),
    Repair(
        "file wrapper",
        "`wsgi.file_wrapper` sends with sendfile, which blocks the worker on a slow disk and takes no part in our "
        "time limits.",
        "PEP 3333, optional platform-specific file handling",
        (Replace(FILE, "  PyDict_SetItem(environ, file_wrapper_key, file_wrapper_val);\n", ""),),
    ),
    Repair(
        "pipelining without bounds",
        "One read can queue some 3,600 requests, several kB each.",
        "by reading",
        (
            Replace(
                FILE,
                "  req = new_request();\n  if (req == NULL) {\n",
                "  if (client->request_queue->size >= PIPELINED_MOST) return -1;\n"
                "  req = new_request();\n  if (req == NULL) {\n",
            ),
            Replace(
                "request.h",
                "#define LIMIT_REQUEST_FIELDS 128\n",
                "#define LIMIT_REQUEST_FIELDS 128\n#define PIPELINED_MOST 64\n",
            ),
        ),
    ),
    Repair(
        "phases of reading",
        "Nothing tells the headers of a request from its body, which have limits of their own.",
        "see connections.py",
        (
            Replace(FILE, "  client->complete = 0;\n", "  client->complete = 0;\n  client->phase = PHASE_HEADERS;\n"),
            Replace(FILE, "  client->complete = 1;\n", "  client->complete = 1;\n  client->phase = PHASE_IDLE;\n"),
        ),
    ),
)
