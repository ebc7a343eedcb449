"""Repairs of `server.c`: connections and the loop that serves them."""

from app.server.meinheld.repair import Add, Cut, Repair, Replace

SERVER, CLIENT = "server.c", "client.h"

STATE = """static PyObject *app_handler_func = NULL;

static int client_count = 0; /* open connections */
static int max_clients = INT_MAX;
static int full = 0; /* there was no descriptor for another one */
static int stopping = 0;
static volatile int32_t *shared_counts = NULL; /* open connections of every worker; below 0: takes none */
static int shared_slot = 0;
static int shared_slots = 0;
static uint64_t idle_linger_us = 1000000;
"""

METHODS = """
    {"stop", meinheld_stop, METH_VARARGS, "answer what is under way, then return from run"},
    {"set_listen_socket", meinheld_set_listen_socket, METH_VARARGS, "set listen_sock"},
    {"set_watchdog", meinheld_set_watchdog, METH_VARARGS, "called once a second"},
    {"set_header_timeout", server_set_header_timeout, METH_O, "seconds for the headers of a request"},
    {"set_body_timeout", server_set_body_timeout, METH_O, "seconds for the body of a request"},
    {"set_write_timeout", server_set_write_timeout, METH_O, "seconds for a client to take the next part of an answer"},
    {"set_max_clients", server_set_max_clients, METH_O, "open connections at which accepting pauses"},
    {"share_counts", server_share_counts, METH_VARARGS, "balance connections with the other workers"},
    {"client_count", server_client_count, METH_NOARGS, "open connections"},
    {"run", meinheld_run_loop, METH_VARARGS, "serve until stopped"},
    {"wait", (PyCFunction)(void (*)(void))server_wait, METH_FASTCALL, "wait for a descriptor in a request"},

"""

REPAIRS = (
    Repair(
        "state of a connection",
        "REMOTE_ADDR is a pointer into one buffer that holds the address of whoever connected last; IPv6 and Unix "
        "peers "
        "are 0.0.0.0.",
        "inet_ntoa(3)",
        (
            Replace(
                CLIENT,
                "  char *remote_addr;\n",
                "  char remote_addr[64];\n  struct _client *next; /* in the queue of pipelined requests */\n"
                "  char phase;           /* what is being read */\n"
                "  char limited;         /* the phase that the time limit is for */\n"
                "  char unread;          /* bytes of a refused request may still arrive */\n",
            ),
            Replace(
                CLIENT,
                "typedef struct _client {\n",
                "enum { PHASE_IDLE, PHASE_HEADERS, PHASE_BODY };\n\ntypedef struct _client {\n",
            ),
            Replace(
                SERVER,
                "  client->remote_addr = remote_addr;\n",
                '  snprintf(client->remote_addr, sizeof(client->remote_addr), "%s", remote_addr);\n',
            ),
            Replace(
                "request.h",
                "  int bad_request_code;\n",
                "  int bad_request_code;\n  char dropped; /* the header being read */\n"
                "  char keep_alive;\n  char http_minor;\n",
            ),
        ),
    ),
    Repair(
        "serving",
        "Pipelined requests run inside one another until the stack overflows; a failed or timed-out write leaves an "
        "exception pending or a connection in use; an error answer blocks the whole worker when its client does not "
        "read; "
        "closing at once resets the connection before a refused client has seen why; whether the connection is "
        "kept, and the version, are those of the request that was read last, not of the one that is answered.",
        "RFC 9112, 9.3 and 9.6",
        (
            Add("serving.h"),
            Replace(SERVER, "static PyObject *app_handler_func = NULL;\n", STATE),
            Cut(
                SERVER,
                "static void close_client(client_t *client) {\n",
                "static void init_main_loop(void) {",
                '#include "waiting.h"\n#include "serving.h"\n\n',
            ),
            Replace(
                SERVER,
                "static void call_wsgi_handler(client_t *client);\n",
                "static void call_wsgi_handler(client_t *client);\n\nstatic void close_client(client_t *client);\n",
            ),
            Cut(SERVER, "static PyObject *app_handler(", "static int check_http_expect("),
            Replace(
                SERVER,
                "  client->current_req = req;\n}\n",
                "  client->current_req = req;\n  client->keep_alive = req->keep_alive;\n}\n",
            ),
            Replace(
                SERVER,
                "  request *req = client->current_req;\n\n  if (client->http_parser->http_minor == 1) {\n    /// TODO",
                "  request *req = client->current_req;\n\n  if (req->http_minor == 1) {\n    /// TODO",
            ),
            Replace(SERVER, "  if (!is_keep_alive) {\n    client->keep_alive = 0;\n  }\n", ""),
        ),
    ),
    Repair(
        "reading",
        "Limits are per read (a byte now and then keeps a connection for ever) or the keep-alive time (2 s for an "
        "upload); "
        "running out of descriptors ends the worker; descriptors beyond the table are never closed; an error in a "
        "pipelined request voids the good one before it.",
        "meinheld issues 41 and 129",
        (
            Add("reading.h"),
            Replace(
                SERVER,
                "#define ACCEPT_TIMEOUT_SECS 1\n#define READ_TIMEOUT_SECS 30\n",
                "#include <limits.h>\n#include <netinet/in.h>\n#include <stddef.h>\n",
            ),
            Cut(
                SERVER, "static int set_read_error(", "static void setup_server_env(void) {", '#include "reading.h"\n\n'
            ),
            Cut(SERVER, "static void set_bad_request_code(", "static int check_status_code(client_t *client) {\n"),
            Replace("util.c", "  r = setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &on, sizeof(on));\n", ""),
        ),
    ),
    Repair(
        "running and stopping",
        "SIGTERM cuts requests off after a second, idle connections hold a stopping worker up, signal handlers of "
        "Python "
        "run only with the next request, and the sockets are closed under Python's hands.",
        "gunicorn's contract of a worker",
        (
            Add("running.h"),
            Cut(
                SERVER,
                "static void kill_callback(picoev_loop *loop, int fd, int events, void *cb_arg) {",
                "static inline void set_current_request(",
            ),
            Replace(SERVER, "static void kill_callback(picoev_loop *loop, int fd, int events, void *cb_arg);\n", ""),
            Cut(SERVER, "static void clear_server_env(void) {", "static PyObject *set_listen_socket("),
            Cut(SERVER, "static PyObject *meinheld_listen(", "static PyObject *meinheld_access_log("),
            Cut(
                SERVER,
                "static PyObject *meinheld_stop(",
                "PyObject *meinheld_set_keepalive(",
                '#include "running.h"\n\n',
            ),
            Cut(SERVER, "PyObject *meinheld_set_fastwatchdog(", "PyObject *meinheld_set_watchdog("),
            Replace(
                SERVER, "  watchdog_lasttime = 0;\n  watchdog = temp;\n  watch_loop = 1;\n", "  watchdog = temp;\n"
            ),
            Replace(SERVER, "static uint8_t watch_loop = 0;\n", ""),
            Cut(SERVER, "/* gunicorn */\n", "#define CLIENT_MAXFREELIST 1024"),
            Replace(
                SERVER,
                "static volatile sig_atomic_t call_shutdown = 0;\nstatic volatile sig_atomic_t catch_signal = 0;\n",
                "",
            ),
            Replace(SERVER, "static char *unix_sock_name = NULL;\n", ""),
            Cut(SERVER, '    {"listen", (PyCFunction)meinheld_listen,', '    {"set_access_logger",'),
            Cut(
                SERVER, '    {"stop", (PyCFunction)meinheld_stop,', "    {NULL, NULL, 0, NULL} /* Sentinel */", METHODS
            ),
            Replace(
                SERVER,
                "  if (PyType_Ready(&InputObjectType) < 0) {\n    INITERROR;\n  }\n",
                "  if (PyType_Ready(&InputObjectType) < 0) {\n    INITERROR;\n  }\n\n"
                "  if (PyType_Ready(&WaiterType) < 0) {\n    INITERROR;\n  }\n"
                '  Py_INCREF(&WaiterType);\n  PyModule_AddObject(m, "Waiter", (PyObject *)&WaiterType);\n',
            ),
        ),
    ),
    Repair(
        "chunked bodies",
        "A chunked body has no CONTENT_LENGTH, and the framework reads none; it has been read as a whole, so its "
        "length is known.",
        "PEP 3333, environ variables",
        (
            Replace(
                SERVER,
                "  PyDict_SetItem((PyObject *)req->environ, wsgi_input_terminated_key, Py_True);\n",
                "  PyDict_SetItem((PyObject *)req->environ, wsgi_input_terminated_key, Py_True);\n"
                "  if (req->body_readed > 0 && req->body_length == 0) {\n"
                '    PyObject *length = PyUnicode_FromFormat("%d", req->body_readed);\n'
                '    if (length == NULL || PyDict_SetItemString(req->environ, "CONTENT_LENGTH", length) < 0)\n'
                "      PyErr_Clear();\n"
                "    Py_XDECREF(length);\n"
                "  }\n",
            ),
        ),
    ),
)
