/* Waiting in request greenlets: for descriptors, for time and for other threads (jobfinder's addition).
 *
 * Everything here runs with the interpreter's lock held, so that the queue of waiters needs no lock of its own.
 * A greenlet that waits is kept alive by the one reference that its registration owns.
 */

#define MICROSECONDS 1000000
#define LONGEST_WAIT_S 86400.0

typedef enum { WAITER_IDLE, WAITER_PARKED, WAITER_READY, WAITER_WOKEN } waiter_state;

typedef struct waiter_st {
  PyObject_HEAD
  deadline deadline;
  PyObject *greenlet; /* the parked greenlet */
  struct waiter_st *next;
  waiter_state state;
} Waiter;

static unsigned long loop_thread;
static int loop_running;
static PyObject *loop_greenlet;
static int wakeup_fd = -1; /* write end; a byte in it ends the loop's epoll_wait */
static Waiter *ready_first, *ready_last;

static void resume(PyObject *greenlet, PyObject *value) {
  PyObject *args = PyTuple_Pack(1, value);
  PyObject *res = args ? greenlet_switch(greenlet, args, NULL) : NULL;
  Py_XDECREF(args);
  if (res == NULL) call_error_logger();
  Py_XDECREF(res);
  Py_DECREF(greenlet);
}

/* The current greenlet (a new reference), or NULL and RuntimeError if the loop could never resume it. */
static PyObject *waiting_greenlet(void) {
  PyObject *current, *parent;
  if (loop_running && loop_thread == PyThread_get_thread_ident()) {
    current = greenlet_getcurrent();
    parent = greenlet_getparent(current);
    Py_XDECREF(parent);
    if (parent != NULL && parent == loop_greenlet) return current;
    Py_DECREF(current);
  }
  PyErr_SetString(PyExc_RuntimeError, "only a request greenlet can wait");
  return NULL;
}

/* Runs the loop until this greenlet is resumed: 1 woken, 0 expired, -1 something was thrown into it. */
static int switch_to_loop(PyObject *current) {
  PyObject *parent = greenlet_getparent(current);
  PyObject *res = greenlet_switch(parent, hub_switch_value, NULL);
  int woken = res == NULL ? -1 : res == Py_True;
  Py_XDECREF(res);
  Py_DECREF(parent);
  return woken;
}

static int to_microseconds(PyObject *seconds, uint64_t *us) {
  double value = PyFloat_AsDouble(seconds);
  if (value == -1.0 && PyErr_Occurred()) return -1;
  if (!(value < LONGEST_WAIT_S)) value = LONGEST_WAIT_S;
  *us = value > 0 ? (uint64_t)(value * MICROSECONDS) + 1 : 1;
  return 0;
}

static void wait_callback(picoev_loop *loop, int fd, int events, void *cb_arg) {
  picoev_del(loop, fd);
  activecnt--;
  resume((PyObject *)cb_arg, (events & PICOEV_TIMEOUT) ? Py_False : Py_True);
}

/* 1 ready, 0 `us` have passed, -1 with an exception. */
static int wait_for_fd(int fd, int events, uint64_t us) {
  PyObject *current;
  void *registered = NULL;
  int woken;
  if (fd < 0 || fd >= max_fd) {
    PyErr_SetString(PyExc_ValueError, "descriptor out of range");
    return -1;
  }
  if ((current = waiting_greenlet()) == NULL) return -1;
  if (picoev_is_active(main_loop, fd)) {
    Py_DECREF(current);
    PyErr_SetString(PyExc_RuntimeError, "somebody else waits for this descriptor");
    return -1;
  }
  if (picoev_add(main_loop, fd, events, 0, wait_callback, current) != 0) {
    Py_DECREF(current);
    PyErr_SetFromErrno(PyExc_OSError);
    return -1;
  }
  picoev_limit(fd, us);
  activecnt++;
  woken = switch_to_loop(current);
  if (woken == -1 && picoev_is_active(main_loop, fd)) {
    picoev_get_callback(main_loop, fd, &registered);
    if (registered == current) {
      picoev_del(main_loop, fd);
      activecnt--;
      Py_DECREF(current);
    }
  }
  return woken;
}

/* wait(fd, events, timeout_s): True when ready, False when the time has passed. */
static PyObject *server_wait(PyObject *self, PyObject *const *args, Py_ssize_t nargs) {
  long fd, events;
  uint64_t us;
  int woken;
  if (nargs != 3) {
    PyErr_SetString(PyExc_TypeError, "wait takes a descriptor, events and seconds");
    return NULL;
  }
  fd = PyLong_AsLong(args[0]);
  events = PyLong_AsLong(args[1]);
  if (PyErr_Occurred() || to_microseconds(args[2], &us) < 0) return NULL;
  if ((events & ~PICOEV_READWRITE) != 0 || events == 0) {
    PyErr_SetString(PyExc_ValueError, "events are 1 (readable), 2 (writable) or both");
    return NULL;
  }
  woken = wait_for_fd((int)fd, (int)events, us);
  return woken == -1 ? NULL : PyBool_FromLong(woken);
}

static void waiter_expire(deadline *d) {
  Waiter *self = (Waiter *)((char *)d - offsetof(Waiter, deadline));
  PyObject *greenlet = self->greenlet;
  self->greenlet = NULL;
  self->state = WAITER_IDLE;
  activecnt--;
  resume(greenlet, Py_False);
}

static void resume_ready(void) {
  Waiter *self = ready_first, *next;
  ready_first = ready_last = NULL;
  for (; self != NULL; self = next) {
    PyObject *greenlet = self->greenlet;
    next = self->next;
    self->next = NULL;
    self->greenlet = NULL;
    self->state = WAITER_IDLE;
    activecnt--;
    Py_DECREF(self);
    resume(greenlet, Py_True);
  }
}

static PyObject *waiter_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  Waiter *self = (Waiter *)type->tp_alloc(type, 0);
  if (self != NULL) self->deadline.expire = waiter_expire;
  return (PyObject *)self;
}

static void waiter_dealloc(Waiter *self) {
  deadline_clear(&self->deadline);
  Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *waiter_park(Waiter *self, PyObject *seconds) {
  PyObject *current;
  uint64_t us;
  int woken;
  if (to_microseconds(seconds, &us) < 0) return NULL;
  if (self->state == WAITER_WOKEN) {
    self->state = WAITER_IDLE;
    Py_RETURN_TRUE;
  }
  if (self->state != WAITER_IDLE) {
    PyErr_SetString(PyExc_RuntimeError, "somebody else waits here");
    return NULL;
  }
  if ((current = waiting_greenlet()) == NULL) return NULL;
  self->greenlet = current;
  self->state = WAITER_PARKED;
  deadline_set(&self->deadline, us);
  activecnt++;
  woken = switch_to_loop(current);
  if (woken == -1) {
    if (self->state == WAITER_PARKED) {
      deadline_clear(&self->deadline);
      self->state = WAITER_IDLE;
      self->greenlet = NULL;
      activecnt--;
      Py_DECREF(current);
    }
    return NULL;
  }
  return PyBool_FromLong(woken);
}

static PyObject *waiter_unpark(Waiter *self, PyObject *unused) {
  if (self->state == WAITER_IDLE) {
    self->state = WAITER_WOKEN;
  } else if (self->state == WAITER_PARKED) {
    self->state = WAITER_READY;
    deadline_clear(&self->deadline);
    Py_INCREF(self);
    if (ready_last != NULL)
      ready_last->next = self;
    else
      ready_first = self;
    ready_last = self;
    if (picoev_polling && wakeup_fd >= 0 && write(wakeup_fd, "", 1) < 0) {
      /* the pipe is full: the loop wakes anyway */
    }
  }
  Py_RETURN_NONE;
}

static void wakeup_callback(picoev_loop *loop, int fd, int events, void *cb_arg) {
  char bytes[256];
  while (read(fd, bytes, sizeof(bytes)) == sizeof(bytes)) {
  }
}

static PyMethodDef waiter_methods[] = {
    {"park", (PyCFunction)waiter_park, METH_O, "Wait for unpark at most so many seconds; False when they have passed."},
    {"unpark", (PyCFunction)waiter_unpark, METH_NOARGS, "Let park return; any thread may call this."},
    {NULL, NULL, 0, NULL}};

static PyTypeObject WaiterType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "meinheld.server.Waiter",
    .tp_basicsize = sizeof(Waiter),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "A place where one request greenlet waits.",
    .tp_new = waiter_new,
    .tp_dealloc = (destructor)waiter_dealloc,
    .tp_methods = waiter_methods,
};
