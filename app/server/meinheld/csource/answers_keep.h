/* How an answer comes into the table: wished for by a request that missed it, proven by Python, cut as it is sent.
 *
 * Between the proof and the cut no look may be installed and nothing may be forgotten, also not by another thread.
 */

#define TEMPLATE_MOST 4096
#define WISH_NAME "jobfinder.wish"

typedef struct {
  uint64_t forgets, looks;
  PyObject *pass, *page; /* what `answers_prove` was given; NULL before */
  int route, for_all;
  uint64_t pass_hash, page_hash;
  uint32_t pass_length, page_length;
  char data[]; /* the keys of the pass and of the page */
} wish;

typedef struct {
  char bytes[SCAN_BYTES_MOST + 64];
  uint32_t length;
  uint64_t hash;
} answer_key;

static void drop_wish(PyObject *capsule) {
  wish *w = PyCapsule_GetPointer(capsule, WISH_NAME);
  if (w == NULL) {
    PyErr_Clear();
    return;
  }
  Py_XDECREF(w->pass);
  Py_XDECREF(w->page);
  free(w);
}

static char *put_bytes(char *to, const char *s, size_t length) {
  if (length > 0) memcpy(to, s, length); /* nothing may be at NULL */
  return to + length;
}

static void end_key(answer_key *key, const char *end, uint64_t seed) {
  key->length = (uint32_t)(end - key->bytes);
  key->hash = hash_entry(key->bytes, key->length, seed);
}

/* Target, and each header that the request has after its number: values are printable, so that a number below 32
 * divides them. Pages for requests without a token are others than those for requests with one. */
static void set_page_key(answer_key *key, const scanned *r) {
  char *to = put_bytes(key->bytes, r->token.at ? "T" : "N", 1);
  int i;
  to = put_bytes(to, r->target.at, r->target.length);
  for (i = 0; i < VARY_COUNT; i++) {
    if (r->vary[i].at == NULL) continue;
    *to++ = (char)(1 + i);
    to = put_bytes(to, r->vary[i].at, r->vary[i].length);
  }
  end_key(key, to, 2);
}

/* The bytes of Authorization; without it what names the client's network, after a byte that no header has. */
static void set_pass_key(answer_key *key, const scanned *r, const char *peer) {
  char *to = key->bytes;
  if (r->token.at) {
    to = put_bytes(to, r->token.at, r->token.length);
  } else {
    *to++ = 1;
    to = put_bytes(to, peer, strlen(peer));
    *to++ = 1;
    to = put_bytes(to, r->forwarded.at ? r->forwarded.at : "", r->forwarded.length);
  }
  end_key(key, to, 3);
}

static uint64_t own_hash(uint64_t page_hash, uint64_t owner) {
  return owner ? fold(page_hash ^ owner, answer_seeds[1] | 1) & HASH_MASK : page_hash;
}

/* A wish for an answer that was missed before, else NULL: most are never asked for again. */
static PyObject *make_wish(const answer_key *page, const answer_key *pass, int has_pass, uint64_t now_us) {
  int again = missed_before(page->bytes, page->length, now_us);
  PyObject *capsule;
  wish *w;
  if (!has_pass && !missed_before(pass->bytes, pass->length, now_us)) return NULL;
  if (!again || (w = malloc(sizeof(wish) + pass->length + page->length)) == NULL) return NULL;
  w->forgets = answers_forgets, w->looks = 0, w->pass = w->page = NULL;
  w->pass_hash = pass->hash, w->page_hash = page->hash;
  w->pass_length = pass->length, w->page_length = page->length;
  put_bytes(put_bytes(w->data, pass->bytes, pass->length), page->bytes, page->length);
  capsule = PyCapsule_New(w, WISH_NAME, drop_wish);
  if (capsule == NULL) {
    PyErr_Clear();
    free(w);
  }
  return capsule;
}

/* answers_prove(wish, position, pass, page, route, for_all): what the answer of the request with this wish rests on,
 * proven at `position`; pass and page are (keys, expires_us, until_s, counted, allowance or None). Position 0: not
 * proven. False: refused. */
static PyObject *answers_prove(PyObject *self, PyObject *args) {
  PyObject *capsule, *pass, *page;
  unsigned long long position;
  int route, for_all;
  wish *w;
  if (!PyArg_ParseTuple(args, "OKO!O!ip:answers_prove", &capsule, &position, &PyTuple_Type, &pass, &PyTuple_Type, &page, &route, &for_all))
    return NULL;
  if ((w = PyCapsule_GetPointer(capsule, WISH_NAME)) == NULL) return NULL;
  if (w->forgets != answers_forgets) {
    answers_refused[REFUSED_FORGOTTEN]++;
    Py_RETURN_FALSE;
  }
  if (position == 0) {
    answers_refused[REFUSED_PROOF]++;
    Py_RETURN_FALSE;
  }
  if (position != looked_position || lease_until_us == 0) {
    answers_refused[REFUSED_LOOK]++;
    Py_RETURN_FALSE;
  }
  w->looks = answers_looks, w->route = route, w->for_all = for_all;
  Py_INCREF(pass);
  Py_XSETREF(w->pass, pass);
  Py_INCREF(page);
  Py_XSETREF(w->page, page);
  Py_RETURN_TRUE;
}

static int take_counted(entry *e, PyObject *counted) {
  Py_ssize_t i;
  if (PyTuple_GET_SIZE(counted) > COUNTED_MOST) return -1;
  for (i = 0; i < PyTuple_GET_SIZE(counted); i++) {
    if (!PyArg_ParseTuple(PyTuple_GET_ITEM(counted, i), "II", &e->counted[i].place, &e->counted[i].times)) return -1;
  }
  e->counted_count = (uint8_t)i;
  return 0;
}

/* An entry that is in no chain yet, with room for `room` bytes behind its key; NULL where there is no memory. */
static entry *new_entry(PyObject *part, const char *key, size_t key_length, size_t room) {
  PyObject *keys, *counted, *rate;
  unsigned long long expires_us;
  long long until_s;
  entry *e = NULL;
  size_t count, bytes;
  if (!PyArg_ParseTuple(part, "O!KLO!O", &PyTuple_Type, &keys, &expires_us, &until_s, &PyTuple_Type, &counted, &rate)) return NULL;
  count = (size_t)PyTuple_GET_SIZE(keys);
  bytes = sizeof(entry) + count * sizeof(reliance) + key_length + room;
  if ((e = calloc(1, bytes)) == NULL) return NULL;
  e->data = (char *)&e->reliances[count];
  e->bytes = bytes + ALLOCATION_BYTES;
  e->expires_us = expires_us, e->until_s = until_s, e->generation = answers_generation;
  e->key_length = key_length;
  put_bytes(e->data, key, key_length);
  if (take_counted(e, counted) < 0) goto error;
  if (rate != Py_None) {
    if (PyObject_GetBuffer(rate, &e->rate, PyBUF_WRITABLE) < 0) goto error;
    e->is_limited = 1;
    if (e->rate.len != 2 * sizeof(int64_t)) goto error;
  }
  return e;
error:
  drop_entry(e);
  return NULL;
}

static int add_entry(entry *e, PyObject *part) {
  if (!make_room(e->bytes)) {
    drop_entry(e);
    return 0;
  }
  enter(e);
  if (rest_on(e, PyTuple_GET_ITEM(part, 0)) == 0) return 1;
  remove_entry(e);
  return 0;
}

static int begins(const char *line, size_t length, const char *with) {
  size_t n = strlen(with);
  return length >= n && strncasecmp(line, with, n) == 0;
}

static int add_piece(entry *e, size_t length, int hole) {
  if (e->piece_count == PIECES_MOST) return -1;
  e->pieces[e->piece_count].length = (uint32_t)length;
  e->pieces[e->piece_count++].hole = (uint8_t)hole;
  return 0;
}

/* Copies the headers with holes for what changes; returns the bytes copied, -1 where there is one that forbids it. */
static ssize_t cut_template(entry *e, char *to, const char *head, size_t length) {
  char *start = to, *piece_start = to;
  const char *end = head + length, *line = head, *next;
  int dated = 0, named = 0, traced = 0;
  for (; line < end; line = next) {
    size_t n, shown;
    int hole = HOLE_NONE;
    next = memchr(line, '\n', (size_t)(end - line));
    if (next++ == NULL) return -1;
    n = shown = (size_t)(next - line);
    if (begins(line, n, "set-cookie:") || begins(line, n, "transfer-encoding:") || begins(line, n, "age:")) return -1;
    if (begins(line, n, "connection:")) return -1; /* the connection ends, or is not HTTP/1.1 */
    if (begins(line, n, "traceparent:")) continue;
    if (begins(line, n, "date: ")) hole = HOLE_DATE, shown = 6, dated++;
    if (begins(line, n, "x-request-id: ")) hole = HOLE_ID, shown = 14, named++;
    if (begins(line, n, "ratelimit: \"user\";r=")) hole = HOLE_RATE, shown = 20, e->is_limited = 1;
    if (begins(line, n, "x-content-type-options:")) hole = HOLE_TRACE, traced++;
    to = put_bytes(to, line, shown);
    if (hole == HOLE_NONE) continue;
    if (add_piece(e, (size_t)(to - piece_start), hole) < 0) return -1;
    piece_start = to;
    if (shown < n) to = put_bytes(to, "\r\n", 2);
  }
  if (dated != 1 || named != 1 || traced != 1) return -1;
  return add_piece(e, (size_t)(to - piece_start), HOLE_NONE) < 0 ? -1 : to - start;
}

/* The page that the wish is for, in no chain yet; NULL with the reason where it is not kept. */
static entry *cut_page(wish *w, int status, const char *head, size_t head_length, const char *body, size_t body_length,
                       int *reason) {
  entry *page = new_entry(w->page, w->data + w->pass_length, w->page_length, head_length + body_length);
  ssize_t cut = -1;
  *reason = REFUSED_FORM;
  if (page == NULL) return NULL;
  page->is_page = 1, page->status = (uint16_t)status, page->route = (uint32_t)w->route, page->body_length = body_length;
  page->is_open = w->data[w->pass_length] == 'N';
  if (page->bytes > answers_budget / 64 || page->bytes > PAGE_MOST)
    *reason = REFUSED_SIZE;
  else
    cut = cut_template(page, page->data + w->page_length, head, head_length);
  if (cut < 0 || (page->is_open && (page->is_limited || !w->for_all))) {
    drop_entry(page);
    return NULL;
  }
  put_bytes(page->data + w->page_length + cut, body, body_length);
  return page;
}

/* Enters what the wish is for. Raises nothing that the caller need see; returns the reason of a refusal, or -1. */
static int keep_answer(wish *w, int status, const char *head, size_t head_length, const char *body, size_t body_length) {
  entry *pass, *page, *old;
  int reason;
  if (w->looks != answers_looks) return REFUSED_LOOK;
  if (w->forgets != answers_forgets) return REFUSED_FORGOTTEN;
  if ((page = cut_page(w, status, head, head_length, body, body_length, &reason)) == NULL) return reason;
  if ((pass = new_entry(w->pass, w->data, w->pass_length, 0)) == NULL) {
    drop_entry(page);
    return REFUSED_FORM;
  }
  if (!page->is_open && (PyTuple_GET_SIZE(PyTuple_GET_ITEM(w->pass, 0)) == 0 || pass->is_limited != page->is_limited)) {
    drop_entry(pass), drop_entry(page); /* a token always rests on its session */
    return REFUSED_FORM;
  }
  old = find_entry(w->pass_hash, 0, 0, w->data, w->pass_length);
  pass->hash = w->pass_hash, pass->owner = old ? old->owner : ++pass_number;
  if (old) remove_entry(old);
  page->owner = w->for_all ? 0 : pass->owner;
  page->hash = own_hash(w->page_hash, page->owner);
  old = find_entry(page->hash, 1, page->owner, page->data, w->page_length);
  if (old) remove_entry(old);
  if (!add_entry(pass, w->pass)) {
    drop_entry(page);
    return REFUSED_SIZE;
  }
  if (!add_entry(page, w->page)) return REFUSED_SIZE;
  answers_kept++;
  return -1;
}

/* Called when the first bytes of an answer are about to be written, which is after the last time it can change. */
void answer_is_sent(client_t *client, const struct iovec *parts, int count, const char *body, size_t body_length) {
  static char head[TEMPLATE_MOST];
  request *req = client->current_req;
  wish *w = req && req->wish ? PyCapsule_GetPointer(req->wish, WISH_NAME) : NULL;
  size_t length = 0;
  int i, reason = REFUSED_FORM;
  int whole = client->status_code == 304 ? body_length == 0 : client->status_code == 200 && client->content_length_set && client->content_length == body_length;
  if (w == NULL || w->page == NULL) return;
  if (body_length > 0) count--; /* the last part is the body */
  for (i = 0; i < count && whole; i++) {
    whole = length + parts[i].iov_len <= sizeof(head);
    if (whole) put_bytes(head + length, parts[i].iov_base, parts[i].iov_len);
    length += parts[i].iov_len;
  }
  if (whole) reason = keep_answer(w, client->status_code, head, length, body, body_length);
  if (reason >= 0) answers_refused[reason]++;
  PyErr_Clear();
}
