/* From a complete request to the next one on the connection (in place of meinheld's functions of the same names).
 *
 * Requests start only in the loop, never inside another request's greenlet, so that the stack does not grow with the
 * number of pipelined requests and every greenlet's parent is the loop.
 */

#define LINGER_US (2 * MICROSECONDS)
#define IDLE_GREENLETS 256
#define UNSENT_MOST (32 << 20)

static PyObject *idle_greenlets[IDLE_GREENLETS], *context_name;
static int idle_count;

static client_t *starting_client;
static client_t *pipelined_first, *pipelined_last;
static uint64_t header_limit_us = 5 * MICROSECONDS;
static uint64_t body_limit_us = 30 * MICROSECONDS;
static uint64_t write_limit_us = 30 * MICROSECONDS;
static uint64_t unsent_held; /* bytes of answers that wait for clients to take them, in this process */

void answer_expectation(client_t *client); /* headers.h */

static void forget_fd(int fd) {
  if (picoev_is_active(main_loop, fd) && !picoev_del(main_loop, fd)) activecnt--;
}

static int watch_client(client_t *client, uint64_t us) {
  if (picoev_add(main_loop, client->fd, PICOEV_READ | PICOEV_EDGE, 0, read_callback, client) != 0) return -1;
  picoev_limit(client->fd, us);
  activecnt++;
  return 0;
}

/* Tells the other workers, if they share counts, how many connections this one has, or that it takes no more. */
static void count_clients(int by) {
  client_count += by;
  if (shared_counts != NULL && !stopping)
    shared_counts[shared_slot] = full || client_count >= max_clients ? -1 : client_count;
}

static void close_fd(int fd) {
  close(fd);
  count_clients(-1);
}

static void linger_callback(picoev_loop *loop, int fd, int events, void *cb_arg) {
  static char rest[READ_BUF_SIZE];
  ssize_t r = -1;
  if ((events & PICOEV_TIMEOUT) == 0) {
    r = read(fd, rest, sizeof(rest));
    if (r > 0 || (r < 0 && (errno == EAGAIN || errno == EINTR))) return;
  }
  forget_fd(fd);
  close_fd(fd);
}

/* Closing a socket that holds unread bytes resets it, and the client may never see the answer (RFC 9112, 9.6). */
static void linger(int fd) {
  shutdown(fd, SHUT_WR);
  if (picoev_add(main_loop, fd, PICOEV_READ, 0, linger_callback, NULL) != 0) {
    close_fd(fd);
    return;
  }
  picoev_limit(fd, LINGER_US);
  activecnt++;
}

static void keep_client(client_t *client) {
  client_t *fresh = new_client_t(client->fd, client->remote_addr, client->remote_port);
  fresh->keep_alive = 1;
  init_parser(fresh, server_name, server_port);
  if (watch_client(fresh, stopping ? idle_linger_us : (uint64_t)keep_alive_timeout * MICROSECONDS) == 0) return;
  dealloc_parser(fresh->http_parser);
  free_request_queue(fresh->request_queue);
  dealloc_client(fresh);
  close_fd(client->fd);
}

/* Reads the rest of the next request, of which only a part arrived with the one just answered. */
static int read_on(client_t *client) {
  client->current_req = client->request_queue->tail;
  client->limited = client->phase;
  if (client->phase == PHASE_BODY) answer_expectation(client);
  return watch_client(client, client->phase == PHASE_BODY ? body_limit_us : header_limit_us);
}

static void serve_later(client_t *client) {
  if (pipelined_last != NULL)
    pipelined_last->next = client;
  else
    pipelined_first = client;
  pipelined_last = client;
  activecnt++;
}

/* Goes on to the next request; 0 when the connection ends and pipelined requests are dropped (RFC 9112, 9.6). */
static int go_on(client_t *client) {
  request_queue *queue = client->request_queue;
  if (!client->keep_alive || queue->size == 0) return 0;
  if (queue->size == 1 && client->phase != PHASE_IDLE && queue->tail->bad_request_code == 0) return read_on(client) == 0;
  serve_later(client);
  return 1;
}

static void close_client(client_t *client) {
  if (!client->response_closed && close_response(client) != STATUS_OK) call_error_logger();
  forget_fd(client->fd);
  drop_bucket(client);
  clean_client(client);
  if (go_on(client)) return;
  if (client->request_queue->size > 0) {
    client->keep_alive = 0;
    client->unread = 1;
  }
  if (client->http_parser != NULL) dealloc_parser(client->http_parser);
  free_request_queue(client->request_queue);
  if (client->keep_alive)
    keep_client(client);
  else if (client->unread)
    linger(client->fd);
  else
    close_fd(client->fd);
  dealloc_client(client);
}

static void serve(client_t *client) {
  if (check_status_code(client) > 0 && prepare_call_wsgi(client) > 0) call_wsgi_handler(client);
}

static void serve_pipelined(void) {
  client_t *client = pipelined_first, *next;
  pipelined_first = pipelined_last = NULL;
  for (; client != NULL; client = next) {
    next = client->next;
    client->next = NULL;
    activecnt--;
    serve(client);
  }
}

/* Reserves memory for an answer that its client does not take at once; 0 when slow clients have too much already. */
static int hold_unsent(uint64_t bytes) {
  if (unsent_held + bytes > UNSENT_MOST) return 0;
  unsent_held += bytes;
  return 1;
}

/* Sends the rest of an answer as the client takes it; each wait for it is limited. */
static response_status send_rest(client_t *client) {
  response_status status = STATUS_SUSPEND;
  uint64_t bytes = client->bucket ? ((write_bucket *)client->bucket)->total_size : 0;
  if (!hold_unsent(bytes)) return STATUS_ERROR;
  while (status == STATUS_SUSPEND)
    status = wait_for_fd(client->fd, PICOEV_WRITE, write_limit_us) == 1 ? process_body(client) : STATUS_ERROR;
  unsent_held -= bytes;
  return status;
}

static response_status run_app(client_t *client, PyObject *start) {
  response_status status;
  PyObject *result = PyObject_CallFunctionObjArgs(wsgi_app, client->current_req->environ, start, NULL);
  if (result == NULL) return STATUS_ERROR;
  client->response = result;
  if (result == Py_None) {
    PyErr_SetString(PyExc_TypeError, "a WSGI application must return an iterable");
    return STATUS_ERROR;
  }
  if (!is_keep_alive && client->request_queue->size == 0) client->keep_alive = 0;
  status = response_start(client);
  if (status == STATUS_SUSPEND) status = send_rest(client);
  return status == STATUS_OK ? close_response(client) : status;
}

static void serve_request(client_t *client) {
  PyObject *start = new_start_response(client);
  if (start == NULL || run_app(client, start) != STATUS_OK) {
    if (PyErr_Occurred()) call_error_logger();
    client->keep_alive = 0;
    client->status_code = 500;
    send_error_page(client);
  }
  if (start != NULL) {
    ((ResponseObject *)start)->cli = NULL;
    Py_DECREF(start);
  }
  close_client(client);
}

/* The body of a request greenlet, reused for many requests: a new greenlet costs several system calls. */
static PyObject *app_handler(PyObject *self, PyObject *args) {
  PyObject *current = greenlet_getcurrent();
  int woken = 0;
  if (context_name == NULL) context_name = PyUnicode_InternFromString("gr_context");
  do {
    /* the context variables of the request before must not show in this one */
    if (PyObject_SetAttr(current, context_name, Py_None) < 0) call_error_logger();
    serve_request(starting_client);
    if (idle_count == IDLE_GREENLETS) break;
    Py_INCREF(current);
    idle_greenlets[idle_count++] = current;
    woken = switch_to_loop(current);
  } while (woken != -1);
  Py_DECREF(current);
  if (woken == -1) return NULL;
  Py_RETURN_NONE;
}

static PyMethodDef app_handler_def = {"_app_handler", (PyCFunction)app_handler, METH_VARARGS, 0};

static PyObject *request_greenlet(void) {
  if (idle_count > 0) return idle_greenlets[--idle_count];
  if (app_handler_func == NULL) app_handler_func = PyCFunction_NewEx(&app_handler_def, NULL, NULL);
  return greenlet_new(app_handler_func, NULL);
}

static void call_wsgi_handler(client_t *client) {
  PyObject *greenlet = request_greenlet(), *res = NULL;
  if (greenlet != NULL) {
    starting_client = client;
    res = greenlet_switch(greenlet, hub_switch_value, NULL);
    Py_DECREF(greenlet);
  }
  if (res == NULL) call_error_logger();
  Py_XDECREF(res);
}
