"""Repairs of memory that is lost or used after it was freed."""

from app.server.meinheld.repair import Repair, Replace

REPAIRS = (
    Repair(
        "path of an aborted request",
        "A buffer is released as if it were a Python object: 1,040 bytes are lost with every request refused in its "
        "headers.",
        "by measurement: 25,000 requests",
        (
            Replace(
                "request.c",
                "  Py_XDECREF(req->path);",
                "  if (req->path) free_buffer(req->path);\n  Py_XDECREF(req->environ);",
            ),
        ),
    ),
    Repair(
        "body of a request that is never served",
        "The body of a pipelined request whose connection ends before its turn is lost.",
        "by reading",
        (
            Replace(
                "request.c",
                "  Py_XDECREF(req->field);\n",
                "  if (req->body) free_buffer(req->body);\n  Py_XDECREF(req->field);\n",
            ),
        ),
    ),
    Repair(
        "tail of an empty queue",
        "The tail of the request queue still points at a freed request when the queue is empty.",
        "by reading",
        (
            Replace(
                "request.c",
                "  q->head = req;\n  q->size--;",
                "  q->head = req;\n  if (req == NULL) q->tail = NULL;\n  q->size--;",
            ),
        ),
    ),
    Repair(
        "wrong allocator",
        "A buffer that cannot grow is released by another allocator than it came from.",
        "Python/C API, memory management",
        (Replace("buffer.c", "      free(buf->buf);\n", "      PyMem_Free(buf->buf);\n"),),
    ),
    Repair(
        "empty part of a header name",
        "A header name whose end and colon arrive in two pieces makes an array of length zero.",
        "C11, 6.7.6.2; by mutation",
        (Replace("http_request_parser.c", "    char temp[len];\n", "    char temp[len + 1];\n"),),
    ),
)
