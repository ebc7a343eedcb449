"""Repairs of `response.c`: what is written to the client."""

from app.server.meinheld.problems import PROBLEMS, SERVER_NAME, response
from app.server.meinheld.repair import Cut, Repair, Replace

FILE = "response.c"


def _c_string(text: bytes) -> str:
    return '"' + text.decode().replace("\\", "\\\\").replace('"', '\\"').replace("\r", "\\r").replace("\n", "\\n") + '"'


def _error_pages() -> str:
    """C that writes one of `problems.py` without ever blocking, and marks the connection as done with."""
    cases = "".join(
        f"    case {status}:\n      page = {_c_string(response(status))};\n      break;\n"
        for status in PROBLEMS
        if status != 500
    )
    return f"""void send_error_page(client_t *client) {{
  const char *page;
  if (client->header_done || client->response_closed) return;
  switch (client->status_code) {{
{cases}    default:
      page = {_c_string(response(500))};
      break;
  }}
  if (write(client->fd, page, strlen(page)) < 0) {{
    /* a client that does not read gets no answer */
  }}
  client->keep_alive = 0;
  client->header_done = 1;
  client->response_closed = 1;
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
        "and a failure writes an error page into the middle of the body. A client that has gone fills the log.",
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
            Cut(
                FILE,
                "  Py_BEGIN_ALLOW_THREADS\n#ifdef DEVELOP\n",
                "    // error\n    if (errno == EAGAIN || errno == EWOULDBLOCK) {\n      BDEBUG(",
                "  w = writev(data->fd, data->iov, data->iov_cnt);\n  if (w == (size_t)-1) {\n",
            ),
            Replace(
                FILE,
                '      BDEBUG("try again later");\n      return STATUS_SUSPEND;\n    } else {\n',
                "      return STATUS_SUSPEND;\n    } else if (errno == EPIPE || errno == ECONNRESET) {\n"
                "      return STATUS_ERROR;\n    } else {\n",
            ),
        ),
    ),
)
