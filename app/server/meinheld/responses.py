"""Repairs of `response.c`: what is written to the client."""

from app.server.meinheld.problems import PROBLEMS, SERVER_NAME, head, problem
from app.server.meinheld.repair import Cut, Repair, Replace

FILE = "response.c"


def _c_string(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "\\r").replace("\n", "\\n") + '"'


def _error_pages() -> str:
    """C that writes one of `problems.py` without ever blocking, and marks the connection as done with."""
    cases = "".join(
        f"    {f'case {status}' if status != 500 else 'default'}:\n      head = {_c_string(head(status))};\n"
        f"      body = {_c_string(problem(status).decode())};\n      break;\n"
        for status in PROBLEMS
    )
    return f"""void send_error_page(client_t *client) {{
  char page[1024];
  const char *head, *body;
  int length;
  if (client->header_done || client->response_closed) return;
  switch (client->status_code) {{
{cases}  }}
  if (client->current_req && client->current_req->method == HTTP_HEAD) body = "";
  length = snprintf(page, sizeof(page), "%s%s\\r\\n\\r\\n%s", head, (char *)http_time, body);
  if (write(client->fd, page, length) < 0) {{
    /* a client that does not read gets no answer */
  }}
  client->keep_alive = 0;
  client->header_done = 1;
}}

"""


NEW_START_RESPONSE = """void setup_start_response(void) {}

void clear_start_response(void) {}

PyObject *new_start_response(client_t *cli) {
  ResponseObject *start = PyObject_NEW(ResponseObject, &ResponseObjectType);
  if (start != NULL) start->cli = cli;
  return (PyObject *)start;
}

void drop_bucket(client_t *client) {
  if (client->bucket) free_write_bucket((write_bucket *)client->bucket);
  client->bucket = NULL;
}

"""

STATUS_LINE = """  bytes = wsgi_to_bytes(status);
  if (bytes == NULL) return NULL;
  if (strlen(PyBytes_AS_STRING(bytes)) != (size_t)PyBytes_GET_SIZE(bytes) ||
      strpbrk(PyBytes_AS_STRING(bytes), "\\r\\n")) {
    Py_DECREF(bytes);
    PyErr_SetString(PyExc_ValueError, "the status holds control characters");
    return NULL;
  }
"""

WRITE_BUCKET = """static response_status writev_bucket(write_bucket *data) {
  uint32_t i = 0;
  while (data->total > 0) {
    ssize_t w;
    while (data->iov[i].iov_len == 0) i++;
    w = writev(data->fd, data->iov + i, data->iov_cnt - i < IOV_MAX ? data->iov_cnt - i : IOV_MAX);
    if (w < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return STATUS_SUSPEND;
      if (errno != EPIPE && errno != ECONNRESET) {
        PyErr_SetFromErrno(PyExc_IOError);
        call_error_logger();
      }
      return STATUS_ERROR;
    }
    data->total -= w;
    while (w > 0) {
      size_t part = (size_t)w < data->iov[i].iov_len ? (size_t)w : data->iov[i].iov_len;
      data->iov[i].iov_base = (char *)data->iov[i].iov_base + part;
      data->iov[i].iov_len -= part;
      w -= part;
      if (data->iov[i].iov_len == 0) i++;
    }
  }
  data->sended = 1;
  return STATUS_OK;
}

"""

CLOSE_RESPONSE = """response_status close_response(client_t *client) {
  PyObject *close, *result;
  if (client->response_closed || client->response == NULL || PyList_CheckExact(client->response)) return STATUS_OK;
  client->response_closed = 1;
  close = PyObject_GetAttrString(client->response, "close");
  if (close == NULL) {
    if (!PyErr_ExceptionMatches(PyExc_AttributeError)) return STATUS_ERROR;
    PyErr_Clear();
    return STATUS_OK;
  }
  result = PyObject_CallNoArgs(close);
  Py_DECREF(close);
  Py_XDECREF(result);
  return result == NULL ? STATUS_ERROR : STATUS_OK;
}

"""

RERAISE = """    PyObject *type, *value, *traceback;
    if (!PyTuple_Check(exc_info) || PyTuple_GET_SIZE(exc_info) != 3 ||
        !PyExceptionInstance_Check(PyTuple_GET_ITEM(exc_info, 1))) {
      PyErr_SetString(PyExc_TypeError, "exc_info must hold a type, an exception and a traceback");
      return NULL;
    }
    value = PyTuple_GET_ITEM(exc_info, 1);
    type = (PyObject *)Py_TYPE(value);
    traceback = PyTuple_GET_ITEM(exc_info, 2);
"""

LAST_CHUNK = """      ret = writev_bucket(bucket);
      client->chunked_response = 0;
      if (ret != STATUS_OK) {
        client->bucket = bucket;
        return ret;
      }
      free_write_bucket(bucket);
"""

REPAIRS = (
    Repair(
        "error answers",
        "Error answers are HTML without a length, and are written in a loop that blocks the worker for as long as "
        "the client "
        "does not read.",
        "RFC 9457; RFC 9112, 6.3",
        (
            Cut(FILE, "#define H_MSG_500", "ResponseObject *start_response = NULL;"),
            Cut(FILE, "static int blocking_write(", "static write_bucket *new_write_bucket(", _error_pages()),
            Replace(FILE, '#include "util.h"\n', '#include <sys/uio.h>\n\n#include "util.h"\n'),
            Replace("meinheld.h", '#define SERVER "meinheld/1.0.2"', f'#define SERVER "{SERVER_NAME}"'),
        ),
    ),
    Repair(
        "version of an answer",
        "HTTP/1.0 requests are answered as HTTP/1.0, and the framing is that of the request that was read last.",
        "RFC 9110, 2.5; RFC 9112, 7",
        (
            Replace(
                FILE,
                "create_status(bytes, bytelen, self->cli->http_parser->http_minor);",
                "create_status(bytes, bytelen, 1);",
            ),
            Replace(
                FILE, "      client->http_parser->http_minor == 1) {", "      client->current_req->http_minor == 1) {"
            ),
        ),
    ),
    Repair(
        "start_response",
        "One object serves every request and points at the one that was resumed last, or at none any more.",
        "PEP 3333",
        (
            Cut(FILE, "void setup_start_response(void) {", "static void ResponseObject_dealloc(", NEW_START_RESPONSE),
            Replace(
                "response.h",
                "PyObject *create_start_response(client_t *cli);\n",
                "PyObject *new_start_response(client_t *cli);\n\nvoid drop_bucket(client_t *client);\n",
            ),
            Replace(
                FILE,
                "  if (self->cli->headers != NULL && exc_info && exc_info != Py_None) {\n",
                "  if (self->cli == NULL) {\n"
                '    PyErr_SetString(PyExc_RuntimeError, "the request is over");\n    return NULL;\n  }\n\n'
                "  if (self->cli->headers != NULL && exc_info && exc_info != Py_None) {\n",
            ),
        ),
    ),
    Repair(
        "bad status or header",
        "A header or status that is no text or not latin-1 ends the worker; CR and NUL split the response.",
        "RFC 9110, 5.5",
        (
            Replace(
                FILE,
                "      bytes1 = wsgi_to_bytes(obj1);\n",
                "      bytes1 = wsgi_to_bytes(obj1);\n      if (bytes1 == NULL) goto error;\n",
            ),
            Replace(
                FILE,
                "      bytes2 = wsgi_to_bytes(obj2);\n",
                "      bytes2 = wsgi_to_bytes(obj2);\n      if (bytes2 == NULL) goto error;\n",
            ),
            Replace(
                FILE,
                "if (unlikely(strchr(name, '\\n') != 0 || strchr(value, '\\n') != 0)) {",
                "if (unlikely(strlen(name) != (size_t)namelen || strlen(value) != (size_t)valuelen ||\n"
                '                   strpbrk(name, "\\r\\n") != 0 || strpbrk(value, "\\r\\n") != 0)) {',
            ),
            Replace(FILE, "  bytes = wsgi_to_bytes(status);\n", STATUS_LINE),
        ),
    ),
    Repair(
        "lost memory",
        "A Server or Date header of the application, and the table of kept objects, lose memory.",
        "by measurement: 193 B a response",
        (
            Replace(
                FILE,
                '      if (!strcasecmp(name, "Server") || !strcasecmp(name, "Date")) {\n',
                '      if (!strcasecmp(name, "Server") || !strcasecmp(name, "Date")) {\n'
                "        Py_CLEAR(bytes1);\n        Py_CLEAR(bytes2);\n",
            ),
            Replace(
                FILE,
                "      Py_XDECREF(bytes1);\n      Py_XDECREF(bytes2);\n    }\n",
                "      Py_CLEAR(bytes1);\n      Py_CLEAR(bytes2);\n    }\n",
            ),
            Replace(FILE, "  templist = PyList_New(hlen * 4);\n", "  templist = PyList_New(0);\n"),
            Replace(
                FILE,
                "  iov = (iovec_t *)PyMem_Malloc(sizeof(iovec_t) * cnt);\n",
                "  iov = (iovec_t *)PyMem_Calloc(cnt, sizeof(iovec_t));\n",
            ),
            Replace(FILE, "  memset(iov, 0, sizeof(iovec_t));\n", ""),
        ),
    ),
    Repair(
        "interrupted writes",
        "When the client is slow, the first part of a generator's body is freed while it is still to be sent, the "
        "last chunk is dropped, "
        "and a failure writes an error page into the middle of the body. A client that has gone fills the log. More "
        "than 245 headers are more than writev takes, and 4 GiB more than is counted.",
        "by reading",
        (
            Replace(
                FILE,
                "    // TODO when ret == STATUS_SUSPEND keep item\n",
                "    if (ret == STATUS_SUSPEND && client->bucket && ((write_bucket *)client->bucket)->temp1)\n"
                "      PyList_Append(((write_bucket *)client->bucket)->temp1, item);\n",
            ),
            Replace(FILE, "      writev_bucket(bucket);\n      free_write_bucket(bucket);\n", LAST_CHUNK),
            Replace(
                FILE,
                "  ret = writev_bucket(bucket);\n  if (ret != STATUS_SUSPEND) {\n    client->header_done = 1;\n",
                "  client->header_done = 1;\n  ret = writev_bucket(bucket);\n  if (ret != STATUS_SUSPEND) {\n",
            ),
            Replace(
                "response.h",
                "  uint32_t total;\n  uint32_t total_size;\n",
                "  size_t total;\n  size_t total_size;\n",
            ),
            Replace(FILE, "#include <sys/uio.h>\n", "#include <limits.h>\n#include <sys/uio.h>\n"),
            Cut(
                FILE,
                "static response_status writev_bucket(write_bucket *data) {",
                "static int set_file_content_length(",
                WRITE_BUCKET,
            ),
        ),
    ),
    Repair(
        "closing of responses",
        "`close` is looked up twice, and the second look, whose failure goes unseen, ends the worker. A response that "
        "fails before its headers are sent is never closed.",
        "PEP 3333, specification details; by mutation",
        (Cut(FILE, "response_status close_response(", "static response_status process_sendfile(", CLOSE_RESPONSE),),
    ),
    Repair(
        "exc_info",
        "What is no exception is raised all the same, which writes into an object of another kind.",
        "Python/C API, PyErr_Restore; by mutation",
        (
            Cut(
                FILE,
                "    PyObject *type = NULL;\n    PyObject *value = NULL;\n",
                "    Py_INCREF(type);\n",
                RERAISE,
            ),
        ),
    ),
    Repair(
        "first part of a body",
        "An exception in the first part of a body is logged as another one.",
        "by reading",
        (
            Replace(
                FILE,
                '      PyErr_SetString(PyExc_TypeError, "response item must be a string");\n',
                '      if (item != NULL) PyErr_SetString(PyExc_TypeError, "a part of a body must be bytes");\n',
            ),
        ),
    ),
)
