/* Limits of request bodies, checked when the headers are complete, so that a refused body is never read. */

#include "log.h"

#define SMALL_BODY 8192

static PyObject *body_limit_func; /* (method, path) -> bytes */
static uint64_t bodies_most = INT_MAX;

/* body_limits(function, most): the limit of one body by method and path, and of all in this process together. */
PyObject *server_body_limits(PyObject *self, PyObject *args) {
  PyObject *function;
  unsigned long long most;
  if (!PyArg_ParseTuple(args, "OK:body_limits", &function, &most)) return NULL;
  Py_INCREF(function);
  Py_XSETREF(body_limit_func, function);
  bodies_most = most;
  Py_RETURN_NONE;
}

/* The limit in bytes; -1 when the function fails. */
static long limit_of_body(request *req) {
  PyObject *method = PyDict_GetItemWithError(req->environ, request_method_key), *result;
  PyObject *path = PyDict_GetItemWithError(req->environ, path_info_key);
  long limit;
  if (method == NULL || path == NULL || body_limit_func == NULL) return -1;
  result = PyObject_CallFunctionObjArgs(body_limit_func, method, path, NULL);
  limit = result ? PyLong_AsLong(result) : -1;
  Py_XDECREF(result);
  if (PyErr_Occurred()) call_error_logger();
  return limit > INT_MAX ? INT_MAX : limit;
}

/* Reserves the body's length (its limit if chunked) until the request is freed; -1 when it is refused. Only small bodies
 * may have the last sixteenth: a few clients that announce large ones do not keep all others from logging in. */
static int admit_body(http_parser *p, request *req, uint64_t length) {
  int chunked = (p->flags & F_CHUNKED) != 0;
  long limit;
  uint64_t most;
  if (!chunked && length == 0) return 0;
  limit = limit_of_body(req);
  if (limit < 0) return refuse(req, 500);
  if (length > (uint64_t)limit) return refuse(req, 413);
  if (chunked) length = limit;
  most = length > SMALL_BODY ? bodies_most - bodies_most / 16 : bodies_most;
  if (length > most || bodies_held > most - length) return refuse(req, 503);
  bodies_held += length;
  req->body_held = length;
  req->body_limit = limit;
  return 0;
}
