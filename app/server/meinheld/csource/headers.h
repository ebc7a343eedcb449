/* Checks that need several headers of a request together; the parser sees one at a time. */

static int refuse(request *req, int status) {
  req->bad_request_code = status;
  return -1;
}

static int is_number(PyObject *value) {
  Py_ssize_t i, length = PyUnicode_GET_LENGTH(value);
  for (i = 0; i < length; i++) {
    Py_UCS4 c = PyUnicode_READ_CHAR(value, i);
    if (c < '0' || c > '9') return 0;
  }
  return length > 0;
}

static int is_escape(const char *s, const char *end) {
  return end - s > 2 && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2]);
}

/* The end of a host name or of an address in brackets, NULL when it is invalid. */
static const char *end_of_host(const char *s, const char *end) {
  const char *start = s;
  if (s < end && *s == '[') {
    for (s++; s < end && (isxdigit((unsigned char)*s) || *s == ':' || *s == '.'); s++) {
    }
    return s < end && *s == ']' && memchr(start, ':', s - start) ? s + 1 : NULL;
  }
  for (; s < end && *s != ':'; s++) {
    if (*s == '%' && is_escape(s, end))
      s += 2;
    else if (!isalnum((unsigned char)*s) && !memchr("-._~!$&'()*+;=", *s, 14))
      return NULL;
  }
  return s > start ? s : NULL;
}

/* host [ ":" port ] of RFC 3986, 3.2, without a user. No comma: meinheld joins repeated Host headers with one. */
static int is_authority(const char *s, const char *end) {
  s = end_of_host(s, end);
  if (s == NULL || (s < end && *s++ != ':')) return 0;
  while (s < end && *s >= '0' && *s <= '9') s++;
  return s == end;
}

static int is_host(PyObject *value) {
  Py_ssize_t length = PyUnicode_GET_LENGTH(value);
  const char *s = (const char *)PyUnicode_DATA(value);
  return length == 0 || (PyUnicode_IS_ASCII(value) && is_authority(s, s + length));
}

/* The next element of a list and its length without blanks; -1 at the end. */
static Py_ssize_t next_element(const char **at, const char *end, const char **element) {
  const char *s = *at, *stop;
  if (s == NULL) return -1;
  stop = memchr(s, ',', end - s);
  *at = stop ? stop + 1 : NULL;
  if (stop == NULL) stop = end;
  while (s < stop && (*s == ' ' || *s == '\t')) s++;
  while (s < stop && (stop[-1] == ' ' || stop[-1] == '\t')) stop--;
  *element = s;
  return stop - s;
}

static int is_word(const char *s, Py_ssize_t length, const char *word) {
  return length == (Py_ssize_t)strlen(word) && strncasecmp(s, word, length) == 0;
}

static void read_connection_options(http_parser *p, PyObject *env) {
  PyObject *value = PyDict_GetItemWithError(env, connection_key);
  const char *at, *end, *element;
  Py_ssize_t length;
  if (value == NULL) return;
  at = (const char *)PyUnicode_DATA(value);
  end = at + PyUnicode_GET_LENGTH(value);
  while ((length = next_element(&at, end, &element)) >= 0) {
    if (is_word(element, length, "close")) p->flags |= F_CONNECTION_CLOSE;
    if (is_word(element, length, "keep-alive")) p->flags |= F_CONNECTION_KEEP_ALIVE;
  }
}

/* 501 for codings that come before chunked, 400 where the end of the body cannot be known (RFC 9112, 6.1 and 6.3). */
static int refuse_coding(http_parser *p, request *req) {
  PyObject *value = PyDict_GetItemString(req->environ, "HTTP_TRANSFER_ENCODING");
  const char *at, *end, *element;
  Py_ssize_t length;
  int chunked = 0, last = 0;
  if (value == NULL || p->http_minor < 1) return refuse(req, 400);
  at = (const char *)PyUnicode_DATA(value);
  end = at + PyUnicode_GET_LENGTH(value);
  while ((length = next_element(&at, end, &element)) >= 0) {
    last = is_word(element, length, "chunked");
    chunked += last;
  }
  return refuse(req, chunked == 1 && last ? 501 : 400);
}

static int check_headers(http_parser *p, request *req) {
  PyObject *host = PyDict_GetItemWithError(req->environ, host_key);
  PyObject *length = PyDict_GetItemWithError(req->environ, content_length_key);
  if (p->http_major != 1) return refuse(req, 505);
  if (p->unknown_coding) return refuse_coding(p, req);
  if (host == NULL && p->http_minor == 1) return refuse(req, 400);
  if (host && !is_host(host)) return refuse(req, 400);
  if (length && !is_number(length)) return refuse(req, 400);
  if (p->method == HTTP_CONNECT) return refuse(req, 501);
  read_connection_options(p, req->environ);
  return 0;
}

/* The path of an absolute-form target, NULL if invalid; its authority replaces Host (RFC 9112, 3.2.2). */
static char *after_authority(request *req, char *s, char *end) {
  char *authority;
  PyObject *host;
  int done;
  if (end - s > 7 && strncasecmp(s, "http://", 7) == 0)
    authority = s + 7;
  else if (end - s > 8 && strncasecmp(s, "https://", 8) == 0)
    authority = s + 8;
  else
    return NULL;
  for (s = authority; s < end && *s != '/' && *s != '?'; s++) {
  }
  if (!is_authority(authority, s)) return NULL;
  host = PyUnicode_DecodeLatin1(authority, s - authority, NULL);
  done = host ? PyDict_SetItem(req->environ, host_key, host) : -1;
  Py_XDECREF(host);
  return done < 0 ? NULL : s;
}

/* Decodes escapes in place, once; returns the end of the result, NULL for an invalid escape. */
static char *decode_path(char *to, const char *s, const char *end) {
  for (; s < end; s++) {
    if (*s == '%') {
      if (!is_escape(s, end)) return NULL;
      *to++ = (char)(hex2int(s[1]) * 16 + hex2int(s[2]));
      s += 2;
    } else {
      *to++ = *s;
    }
  }
  return to;
}

static int set_latin1(PyObject *env, PyObject *key, const char *s, const char *end) {
  PyObject *value = PyUnicode_DecodeLatin1(s, end - s, NULL);
  int done = value ? PyDict_SetItem(env, key, value) : -1;
  Py_XDECREF(value);
  return done;
}

/* PATH_INFO and QUERY_STRING of one of the forms of RFC 9112, 3.2; CONNECT is refused elsewhere.
 * Also flags escaped paths: a proxy's rule for the plain path may not have matched them. */
static int take_target(http_parser *p, request *req) {
  char *start = req->path ? req->path->buf : NULL, *end = start + (req->path ? req->path->len : 0);
  char *s = start, *to = start, *query, *path_end;
  if (start == end || memchr(s, '#', end - s)) return refuse(req, 400);
  if (*s == '*' && (end - s > 1 || p->method != HTTP_OPTIONS)) return refuse(req, 400);
  if (*s != '*' && *s != '/') {
    if ((s = after_authority(req, s, end)) == NULL) return refuse(req, 400);
    if (s == end || *s != '/') *to++ = '/';
  }
  query = memchr(s, '?', end - s);
  if (query && set_latin1(req->environ, query_string_key, query + 1, end) < 0) return -1;
  path_end = query ? query : end;
  if (memchr(s, '%', path_end - s) && PyDict_SetItemString(req->environ, "jobfinder.escaped_path", Py_True) < 0) return -1;
  if ((to = decode_path(to, s, path_end)) == NULL) return refuse(req, 400);
  if (set_latin1(req->environ, path_info_key, start, to) < 0) return -1;
  free_buffer(req->path);
  req->path = NULL;
  return 0;
}

/* Sends 100 Continue, for which the client holds its body back, once no other response comes before it. */
void answer_expectation(client_t *client) {
  static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
  http_parser *p = client->http_parser;
  request *req = client->current_req;
  PyObject *expect = PyDict_GetItemString(req->environ, "HTTP_EXPECT");
  const char *value = expect ? PyUnicode_AsUTF8(expect) : NULL;
  if (value == NULL) {
    PyErr_Clear();
    return;
  }
  if (req->http_minor != 1 || client->request_queue->size != 1 || strcasecmp(value, "100-continue")) return;
  if (req->body_length == 0 && !(p->flags & F_CHUNKED)) return;
  if (write(client->fd, interim, sizeof(interim) - 1) == sizeof(interim) - 1)
    PyDict_DelItemString(req->environ, "HTTP_EXPECT");
}
