"""Repairs of the limits of bodies."""

from app.server.meinheld.repair import Add, Cut, Repair, Replace

FILE = "http_request_parser.c"

REPAIRS = (
    Repair(
        "limits of bodies",
        "One limit is for every path and method, so that any client can fill the memory with bodies that nobody wants, "
        "and nothing bounds all bodies together.",
        "RFC 9110, 15.5.14 and 15.6.4",
        (
            Add("bodies.h"),
            Replace(
                "request.h", "  int body_length;\n", "  int body_length;\n  int body_limit;\n  uint64_t body_held;\n"
            ),
            Replace(
                "request.h",
                "void free_request(request *req);\n",
                "void free_request(request *req);\n\n"
                "extern uint64_t bodies_held; /* bytes that bodies under way may come to */\n",
            ),
            Replace(
                "request.c",
                "static int request_numfree = 0;\n",
                "static int request_numfree = 0;\n\nuint64_t bodies_held = 0;\n",
            ),
            Replace(
                "request.c",
                "  Py_XDECREF(req->field);\n",
                "  bodies_held -= req->body_held;\n  Py_XDECREF(req->field);\n",
            ),
            Replace(FILE, '#include "headers.h"\n', '#include "headers.h"\n#include "bodies.h"\n'),
            Cut(
                FILE,
                "    if (max_content_length < content_length) {\n",
                "  if (p->http_major == 1 && p->http_minor == 1) {",
                "  }\n\n",
            ),
            Replace(
                FILE,
                "  req->body_length = content_length;\n",
                "  if (admit_body(p, req, content_length) < 0) return -1;\n  req->body_length = content_length;\n",
            ),
            Replace(
                FILE,
                "  if (max_content_length < req->body_readed + len) {\n",
                "  if ((uint64_t)req->body_limit < (uint64_t)req->body_readed + len) {\n",
            ),
            Replace(
                "http_request_parser.h",
                "PyObject *new_environ(",
                "PyObject *server_body_limits(PyObject *self, PyObject *args);\n\nPyObject *new_environ(",
            ),
            Replace("server.h", "extern uint64_t max_content_length;  // max_content_length\n", ""),
            Cut("server.c", "uint64_t max_content_length = ", "int client_body_buffer_size"),
            Cut(
                "server.c",
                "PyObject *meinheld_set_max_content_length(",
                "PyObject *meinheld_set_client_body_buffer_size(",
            ),
            Cut(
                "server.c",
                '    {"set_max_content_length",',
                '    {"set_client_body_buffer_size",',
                '    {"body_limits", server_body_limits, METH_VARARGS, "bytes of one body, and of all together"},\n\n',
            ),
        ),
    ),
)
