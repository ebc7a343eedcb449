/* What Python calls of the kept answers (app/server/answers.py). */

/* answers_configure(cells, sum, first_bucket, bounds, share, prefix): places in `cells`, doubles of this worker's
 * counters, the share of requests that is logged, and how request ids begin. Once in each worker, after the fork. */
static PyObject *answers_configure(PyObject *self, PyObject *args) {
  static Py_buffer view; /* never released: answers are counted until the process ends */
  PyObject *cells, *bounds;
  const char *prefix;
  Py_ssize_t i;
  if (!PyArg_ParseTuple(args, "OnnO!ds:answers_configure", &cells, &count_sum, &count_first_bucket, &PyTuple_Type, &bounds, &sample_share,
                        &prefix))
    return NULL;
  if (count_cells != NULL || PyTuple_GET_SIZE(bounds) > BUCKETS_MOST || strlen(prefix) > ID_PREFIX_MOST) {
    PyErr_SetString(PyExc_RuntimeError, "answers_configure can be called once, with few bounds and a short prefix");
    return NULL;
  }
  for (i = 0; i < PyTuple_GET_SIZE(bounds); i++) count_bounds[i] = PyFloat_AsDouble(PyTuple_GET_ITEM(bounds, i));
  count_buckets = (int)i;
  if (PyErr_Occurred() || PyObject_GetBuffer(cells, &view, PyBUF_WRITABLE) < 0) return NULL;
  if (getrandom(answer_seeds, sizeof(answer_seeds), 0) < 0 || getrandom(&sample_state, sizeof(sample_state), 0) < 0)
    return PyErr_SetFromErrno(PyExc_OSError);
  sample_state |= 1;
  scan_prepare();
  snprintf(id_prefix, sizeof(id_prefix), "%s-k", prefix); /* the application's have no k */
  wish_key = PyUnicode_InternFromString("jobfinder.wish");
  sampled_key = PyUnicode_InternFromString("jobfinder.sampled");
  if (wish_key == NULL || sampled_key == NULL) return NULL;
  count_cells = view.buf;
  Py_RETURN_NONE;
}

/* answers_bound(bytes): how much may be kept; 0 keeps nothing. */
static PyObject *answers_bound(PyObject *self, PyObject *bytes) {
  size_t bound = PyLong_AsSize_t(bytes), chains = 1024;
  if (bound == (size_t)-1 && PyErr_Occurred()) return NULL;
  if (bound > 0 && entry_chains == NULL) {
    /* What is freed stays with the process: to give 20 MB back to the system at once takes 2 ms. Blocks of 1 MiB and
     * more still go back, each by itself. */
    mallopt(M_TRIM_THRESHOLD, INT_MAX);
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    while (chains < bound / 2048) chains *= 2;
    reliance_chains = calloc(chains, sizeof(reliance *));
    entry_chains = reliance_chains ? calloc(chains, sizeof(entry *)) : NULL;
    if (entry_chains == NULL) return PyErr_NoMemory();
    chain_mask = chains - 1;
  }
  if (bound == 0) forget_everything();
  answers_budget = bound; /* what is beyond it goes with the next looks */
  Py_RETURN_NONE;
}

/* answers_looked(position, keys or None, until_us, ahead_us): a look has found that these keys have changed, None: that
 * anything may have. Answers are given until `until_us`; from `ahead_us` on some requests go to Python, which looks. */
static PyObject *answers_looked(PyObject *self, PyObject *args) {
  PyObject *keys;
  unsigned long long position, until_us, ahead_us;
  int work = STEP_MOST;
  if (!PyArg_ParseTuple(args, "KOKK:answers_looked", &position, &keys, &until_us, &ahead_us)) return NULL;
  if (forget_all_of(keys, &work) < 0) return NULL;
  sweep(work);
  answers_looks++;
  looked_position = position;
  lease_until_us = until_us;
  renew_at_us = ahead_us;
  Py_RETURN_NONE;
}

/* answers_lower(until_us): the lease ends then at the latest. */
static PyObject *answers_lower(PyObject *self, PyObject *until_us) {
  uint64_t value = PyLong_AsUnsignedLongLong(until_us);
  if (value == (uint64_t)-1 && PyErr_Occurred()) return NULL;
  if (value < lease_until_us) lease_until_us = value;
  Py_RETURN_NONE;
}

/* answers_forget(keys or None): also forbids to keep the answers that are being made. */
static PyObject *answers_forget(PyObject *self, PyObject *keys) {
  int work = STEP_MOST;
  if (forget_all_of(keys, &work) < 0) return NULL;
  answers_forgets++;
  Py_RETURN_NONE;
}

static PyObject *answers_stats(PyObject *self, PyObject *unused) {
  return Py_BuildValue("{s:n,s:n,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K}", "entries", answers_count, "bytes",
                       answers_bytes, "given", answers_given, "missed", answers_missed, "stale", answers_stale, "odd", answers_odd, "kept", answers_kept, "evicted", answers_evicted,
                       "removed", answers_removed, "refused_proof", answers_refused[REFUSED_PROOF], "refused_look",
                       answers_refused[REFUSED_LOOK], "refused_forgotten", answers_refused[REFUSED_FORGOTTEN],
                       "refused_form", answers_refused[REFUSED_FORM], "refused_size", answers_refused[REFUSED_SIZE]);
}
