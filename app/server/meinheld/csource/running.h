/* The loop, and how it ends without losing what was accepted (in place of meinheld's functions of the same names). */

static deadline stop_deadline;
static volatile int stop_requested;
static uint64_t stop_limit_us;
static PyObject *stop_accepted; /* called when the last connection has been accepted */

static void stop_expire(deadline *d) { loop_done = 0; }

/* Accepts the connections that are already queued, then stops accepting. */
static void leave_listener(int fd) {
  while (accept_client(fd) == 1) {
  }
  if (!picoev_is_active(main_loop, fd)) return;
  picoev_set_events(main_loop, fd, 0); /* the other workers keep it open, so that closing would not remove it */
  forget_fd(fd);
}

/* Shortens the timeout of idle connections: a request may be on its way; `read_callback` then closes them. */
static void hurry_idle_clients(void) {
  int fd = -1;
  while ((fd = picoev_next_fd(main_loop, fd)) != -1) {
    void *arg = NULL;
    if (picoev_get_callback(main_loop, fd, &arg) == read_callback && ((client_t *)arg)->phase == PHASE_IDLE)
      picoev_limit(fd, idle_linger_us);
  }
}

static void begin_stop(void) {
  PyObject *result;
  Py_ssize_t i;
  stop_requested = 0;
  stop_deadline.expire = stop_expire;
  deadline_set(&stop_deadline, stop_limit_us);
  if (stopping) return;
  stopping = 1;
  is_keep_alive = 0;
  if (shared_counts != NULL) shared_counts[shared_slot] = -1;
  for (i = 0; i < PyList_GET_SIZE(listen_socks); i++) leave_listener((int)PyLong_AsLong(PyList_GET_ITEM(listen_socks, i)));
  result = stop_accepted ? PyObject_CallNoArgs(stop_accepted) : NULL;
  if (result == NULL) call_error_logger();
  Py_XDECREF(result);
  hurry_idle_clients();
}

/* stop(timeout_s, idle_s, accepted): call `accepted` when no more connections are taken, answer what is under way
 * within `timeout_s`; idle connections close after `idle_s`. */
static PyObject *meinheld_stop(PyObject *self, PyObject *args) {
  PyObject *limit, *idle, *accepted;
  if (!PyArg_ParseTuple(args, "OOO:stop", &limit, &idle, &accepted)) return NULL;
  if (to_microseconds(limit, &stop_limit_us) < 0 || to_microseconds(idle, &idle_linger_us) < 0) return NULL;
  Py_INCREF(accepted);
  Py_XSETREF(stop_accepted, accepted);
  stop_requested = 1;
  Py_RETURN_NONE;
}

static int listen_all_sockets(void) {
  Py_ssize_t i;
  for (i = 0; i < PyList_GET_SIZE(listen_socks); i++) {
    int fd = (int)PyLong_AsLong(PyList_GET_ITEM(listen_socks, i));
    setup_listen_sock(fd);
    if (picoev_add(main_loop, fd, PICOEV_READ, 0, accept_callback, NULL) != 0) {
      PyErr_SetFromErrno(PyExc_OSError);
      return -1;
    }
    activecnt++;
  }
  return 0;
}

static void tick(void) {
  static time_t last;
  PyObject *result;
  if (watchdog == NULL || last == main_loop->now) return;
  last = main_loop->now;
  result = PyObject_CallNoArgs(watchdog);
  if (result == NULL) call_error_logger();
  Py_XDECREF(result);
}

/* run(app, wakeup_read_fd, wakeup_write_fd): serve until stopped, or until a signal handler raises. */
static PyObject *meinheld_run_loop(PyObject *self, PyObject *args) {
  int wakeup_read_fd;
  if (!PyArg_ParseTuple(args, "Oii:run", &wsgi_app, &wakeup_read_fd, &wakeup_fd)) return NULL;
  if (listen_socks == NULL || main_loop != NULL) {
    PyErr_SetString(PyExc_RuntimeError, "run needs listening sockets and can be called once");
    return NULL;
  }
  Py_INCREF(wsgi_app);
  setup_server_env();
  init_main_loop();
  loop_thread = PyThread_get_thread_ident();
  loop_greenlet = greenlet_getcurrent();
  loop_done = loop_running = 1;
  if (listen_all_sockets() < 0) return NULL;
  picoev_add(main_loop, wakeup_read_fd, PICOEV_READ, 0, wakeup_callback, NULL);
  while (likely(loop_done == 1 && activecnt > 0)) {
    resume_ready();
    serve_pipelined();
    picoev_loop_once(main_loop, ready_first != NULL || pipelined_first != NULL ? 0 : 1000);
    if (PyErr_CheckSignals() < 0) break;
    if (unlikely(stop_requested)) begin_stop();
    tick();
  }
  loop_running = 0;
  if (PyErr_Occurred()) return NULL;
  Py_RETURN_NONE;
}

static PyObject *set_limit(PyObject *seconds, uint64_t *limit) {
  if (to_microseconds(seconds, limit) < 0) return NULL;
  Py_RETURN_NONE;
}

static PyObject *server_set_header_timeout(PyObject *self, PyObject *seconds) {
  return set_limit(seconds, &header_limit_us);
}

static PyObject *server_set_body_timeout(PyObject *self, PyObject *seconds) {
  return set_limit(seconds, &body_limit_us);
}

static PyObject *server_set_write_timeout(PyObject *self, PyObject *seconds) {
  return set_limit(seconds, &write_limit_us);
}

static PyObject *server_set_max_clients(PyObject *self, PyObject *number) {
  long value = PyLong_AsLong(number);
  if (value == -1 && PyErr_Occurred()) return NULL;
  max_clients = value < 1 ? 1 : value > INT_MAX ? INT_MAX : (int)value;
  Py_RETURN_NONE;
}

/* share_counts(buffer, slot): int32 counts in memory that all workers share, of which this one writes the `slot`th. */
static PyObject *server_share_counts(PyObject *self, PyObject *args) {
  static Py_buffer view; /* never released: the loop writes to it until the process ends */
  int slot;
  if (shared_counts != NULL) {
    PyErr_SetString(PyExc_RuntimeError, "counts are shared already");
    return NULL;
  }
  if (!PyArg_ParseTuple(args, "w*i:share_counts", &view, &slot)) return NULL;
  shared_slots = (int)(view.len / (Py_ssize_t)sizeof(int32_t));
  if (slot >= 0 && slot < shared_slots) {
    shared_slot = slot;
    shared_counts = (int32_t *)view.buf;
    shared_counts[slot] = client_count;
  }
  Py_RETURN_NONE;
}

static PyObject *server_client_count(PyObject *self, PyObject *unused) { return PyLong_FromLong(client_count); }
