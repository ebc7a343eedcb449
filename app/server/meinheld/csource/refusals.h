/* CORS header lines for the server's own error responses. */

static PyObject *refusal_lines; /* origin -> header lines */

/* refusal_lines(dictionary): those of each origin, `*` stands for any other. */
PyObject *server_refusal_lines(PyObject *self, PyObject *lines) {
  if (!PyDict_Check(lines)) {
    PyErr_SetString(PyExc_TypeError, "a dictionary is needed");
    return NULL;
  }
  Py_INCREF(lines);
  Py_XSETREF(refusal_lines, lines);
  Py_RETURN_NONE;
}

static const char *lines_for_origin(request *req) {
  PyObject *origin, *lines;
  const char *text;
  if (refusal_lines == NULL || req == NULL || req->environ == NULL) return "";
  origin = PyDict_GetItemString(req->environ, "HTTP_ORIGIN");
  if (origin == NULL) return "";
  lines = PyDict_GetItemWithError(refusal_lines, origin);
  if (lines == NULL) lines = PyDict_GetItemString(refusal_lines, "*");
  if (lines == NULL || !PyUnicode_Check(lines)) return "";
  text = PyUnicode_AsUTF8(lines);
  if (text == NULL) PyErr_Clear();
  return text ? text : "";
}
