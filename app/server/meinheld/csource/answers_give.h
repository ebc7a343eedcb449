/* Answering from what is kept, before the parser sees the request. */

#define READ_HEADERS_MOST 16384 /* what is left of a read after a miss must hold fewer requests than may be pipelined */
#define GIVE_ROOM (256 * 1024)
#define GIVEN_MOST 700       /* requests in a read; the shortest has 24 bytes */
#define GIVE_MARGIN 1024     /* for what goes into the holes */
#define SCOUT_US 5000        /* until the next request that looks ahead, where the one before did not */
#define TAIL_LEAST 4096      /* a body of so many bytes is sent from where it is kept, without a copy */
#define BUCKETS_MOST 32
#define ID_PREFIX_MOST 32

static double *count_cells; /* of this worker in the shared counters */
static Py_ssize_t count_sum, count_first_bucket;
static int count_buckets;
static double count_bounds[BUCKETS_MOST];
static double sample_share;
static uint64_t sample_state;
static char id_prefix[ID_PREFIX_MOST + 3];
static uint64_t id_number;
static PyObject *wish_key, *sampled_key;

typedef struct { /* what the parser's first request gets from the scan of its bytes */
  PyObject *wish;
  int sampled;
} scan_finding;

typedef struct {
  uint64_t now_us;
  int64_t now_s;
  unsigned number;
  uint32_t at[GIVEN_MOST], classes[GIVEN_MOST];
  span tail; /* the body of the last answer, where it is large; it is kept until the next look, which comes later */
} given;

static int is_sampled(void) {
  if (sample_share <= 0) return 0;
  sample_state ^= sample_state << 13, sample_state ^= sample_state >> 7, sample_state ^= sample_state << 17;
  return (double)(sample_state >> 11) / (double)(1ull << 53) < sample_share;
}

/* Counts as app/infra/metrics/counters.py does; each request of one read took the same time. */
static void count_given(const given *g) {
  double each = (double)(boot_us() - g->now_us) / 1e6 / g->number;
  int bucket = 0;
  unsigned i;
  answers_given += g->number;
  while (bucket < count_buckets && count_bounds[bucket] < each) bucket++;
  for (i = 0; i < g->number && count_cells != NULL; i++) {
    count_cells[g->at[i] - 1 + g->classes[i]] += 1;
    count_cells[g->at[i] + count_sum] += each;
    count_cells[g->at[i] + count_first_bucket + bucket] += 1;
  }
}

static void count_facts(const entry *e) {
  int i;
  for (i = 0; i < e->counted_count && count_cells != NULL; i++) count_cells[e->counted[i].place] += e->counted[i].times;
}

static char *put_number(char *to, uint64_t n, unsigned base) {
  char digits[24];
  int i = sizeof(digits);
  do digits[--i] = "0123456789abcdef"[n % base];
  while ((n /= base) != 0);
  return put_bytes(to, digits + i, sizeof(digits) - (size_t)i);
}

static char *put_hole(char *to, int hole, const entry *pass, const scanned *r, int64_t now_s) {
  const int64_t *rate = pass->rate.buf;
  switch (hole) {
    case HOLE_DATE:
      return put_bytes(to, (const char *)http_time, 29);
    case HOLE_ID:
      if (r->id.at) return put_bytes(to, r->id.at, r->id.length);
      return put_number(put_bytes(to, id_prefix, strlen(id_prefix)), ++id_number, 16);
    case HOLE_RATE:
      to = put_bytes(put_number(to, (uint64_t)rate[0], 10), ";t=", 3);
      return put_number(to, (uint64_t)((rate[1] + 1) * WINDOW_S - now_s), 10);
    case HOLE_TRACE:
      if (r->trace.at == NULL) return to;
      to = put_bytes(put_bytes(to, "traceparent: ", 13), r->trace.at, r->trace.length);
      return put_bytes(to, "\r\n", 2);
  }
  return to;
}

/* All of the answer but for a large body, which becomes the tail. */
static char *put_answer(char *to, const entry *page, const entry *pass, const scanned *r, given *g) {
  const char *s = page->data + page->key_length;
  int i;
  for (i = 0; i < page->piece_count; i++) {
    to = put_bytes(to, s, page->pieces[i].length);
    s += page->pieces[i].length;
    to = put_hole(to, page->pieces[i].hole, pass, r, g->now_s);
  }
  if (page->body_length < TAIL_LEAST) return put_bytes(to, s, page->body_length);
  g->tail.at = s, g->tail.length = (uint32_t)page->body_length;
  return to;
}

static char *put_tail(char *to, given *g) {
  if (g->tail.length == 0) return to;
  to = put_bytes(to, g->tail.at, g->tail.length);
  g->tail.length = 0;
  return to;
}

static int still_holds(const entry *e, uint64_t now_us, int64_t now_s) { return e->expires_us > now_us && e->until_s > now_s; }

/* Whether Python has begun the window in the pass's allowance; it may have forgotten this allowance, and have another. */
static int is_counted(const entry *pass, int64_t now_s) {
  return !pass->is_limited || ((const int64_t *)pass->rate.buf)[1] == now_s / WINDOW_S;
}

/* Whether one of the requests is left that Python has claimed for the user; it claims more when they are used up. */
static int has_allowance(const entry *pass) { return !pass->is_limited || ((const int64_t *)pass->rate.buf)[0] > 0; }

static int may_be_given(const entry *page, const entry *pass, const given *g) {
  if (!still_holds(page, g->now_us, g->now_s)) return 0;
  return page->is_open || page->is_limited == pass->is_limited;
}

/* The page and pass that answer a request; 0 where there is none, with a wish for it if it may be kept. */
static int find_answer(const scanned *r, const char *peer, const given *g, entry **pass, entry **page, scan_finding *found) {
  static answer_key page_key, pass_key;
  set_page_key(&page_key, r);
  set_pass_key(&pass_key, r, peer);
  *pass = find_entry(pass_key.hash, 0, 0, pass_key.bytes, pass_key.length);
  if (*pass != NULL && still_holds(*pass, g->now_us, g->now_s)) {
    uint64_t own = own_hash(page_key.hash, (*pass)->owner);
    *page = find_entry(own, 1, (*pass)->owner, page_key.bytes, page_key.length);
    if (*page == NULL) *page = find_entry(page_key.hash, 1, 0, page_key.bytes, page_key.length);
    if (*page != NULL && may_be_given(*page, *pass, g)) {
      if (is_counted(*pass, g->now_s)) return 1;
      found->wish = make_wish(&page_key, &pass_key, 1, g->now_us);
      return 0;
    }
  }
  found->wish = make_wish(&page_key, &pass_key, *pass != NULL, g->now_us);
  answers_missed++;
  return 0;
}

/* Puts the answers to the requests that can be given; returns how many of the bytes these requests are. */
static size_t put_answers(client_t *client, const char *in, size_t length, char *out, char **to, given *g,
                          scan_finding *found) {
  const char *s = in, *end = in + length;
  while (s < end && g->number < GIVEN_MOST) {
    scanned r;
    entry *pass, *page;
    size_t used = scan_request(s, end, &r);
    if (used == 0) {
      answers_odd++;
      break;
    }
    if (!find_answer(&r, client->remote_addr, g, &pass, &page, found)) break;
    if (g->tail.length + page->body_length + page->key_length + TEMPLATE_MOST + GIVE_MARGIN > (size_t)(out + GIVE_ROOM - *to))
      break;
    if (!has_allowance(pass) || (found->sampled = is_sampled())) break;
    if (pass->is_limited) ((int64_t *)pass->rate.buf)[0]--;
    *to = put_answer(put_tail(*to, g), page, pass, &r, g);
    pass->used = page->used = 1;
    g->at[g->number] = page->route, g->classes[g->number++] = page->status / 100;
    count_facts(pass), count_facts(page);
    s += used;
  }
  return (size_t)(s - in);
}

/* Whether this read may be answered from what is kept. The time is read after the bytes were: an earlier one would let
 * the lease outlive itself. */
static int may_give(client_t *client, given *g) {
  if (lease_until_us == 0 || answers_budget == 0 || stopping || !is_keep_alive) return 0;
  if (client->phase != PHASE_IDLE || client->request_queue->size > 0) return 0;
  g->now_us = boot_us();
  if (g->now_us >= lease_until_us) {
    answers_stale++;
    return 0;
  }
  if (g->now_us >= renew_at_us) {
    renew_at_us = g->now_us + SCOUT_US;
    return 0;
  }
  g->now_s = wall_s();
  return 1;
}

typedef struct unsent_st { /* what a slow client has not taken yet, and what it sent behind */
  size_t at, out_length, in_length;
  char bytes[];
} unsent;

static ssize_t send_given(int fd, char *out, size_t length, span tail) {
  struct iovec parts[2] = {{out, length}, {(char *)tail.at, tail.length}};
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
  ssize_t sent;
  do sent = tail.length > 0 ? sendmsg(fd, &message, MSG_NOSIGNAL) : send(fd, out, length, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent;
}

static void unsent_callback(picoev_loop *loop, int fd, int events, void *cb_arg);

/* Stops reading from the client until it has taken the rest. */
static int put_aside(client_t *client, const char *out, size_t out_length, const char *in, size_t in_length) {
  unsent *u;
  void *arg = client;
  if (!hold_unsent(out_length + in_length)) return -1;
  u = malloc(sizeof(unsent) + out_length + in_length + SCAN_PADDING);
  if (u == NULL) {
    unsent_held -= out_length + in_length;
    return -1;
  }
  u->at = 0, u->out_length = out_length, u->in_length = in_length;
  put_bytes(put_bytes(u->bytes, out, out_length), in, in_length);
  client->unsent = u;
  picoev_set_callback(main_loop, client->fd, unsent_callback, &arg);
  picoev_set_events(main_loop, client->fd, PICOEV_WRITE);
  picoev_limit(client->fd, write_limit_us);
  return 0;
}

static void free_unsent(unsent *u) {
  unsent_held -= u->out_length + u->in_length;
  free(u);
}

static void give_up(client_t *client) {
  if (client->unsent) free_unsent(client->unsent);
  client->unsent = NULL;
  client->keep_alive = 0;
  client->header_done = 1;
  close_client(client);
}

/* Answers what it can of the bytes just read; returns how many it has used, -1 when the client is closed. */
static ssize_t give_answers(client_t *client, const char *in, size_t length, scan_finding *found) {
  static char out[GIVE_ROOM];
  static given g;
  char *to = out;
  size_t used;
  ssize_t sent;
  if (!may_give(client, &g)) return 0;
  g.number = 0, g.tail.length = 0;
  used = put_answers(client, in, length, out, &to, &g, found);
  if (g.number == 0) return 0;
  client->limited = PHASE_IDLE; /* the next request has the whole time for its headers */
  client->answered_us = g.now_us;
  sent = send_given(client->fd, out, (size_t)(to - out), g.tail);
  count_given(&g);
  to = sent == to - out + (ssize_t)g.tail.length ? out + sent : put_tail(to, &g);
  if (sent == to - out) return (ssize_t)used;
  if (sent >= 0 || errno == EAGAIN || errno == EWOULDBLOCK) {
    if (sent < 0) sent = 0;
    if (put_aside(client, out + sent, (size_t)(to - out - sent), in + used, length - used) == 0) return (ssize_t)used;
  }
  Py_CLEAR(found->wish);
  give_up(client);
  return -1;
}

/* The limit of an idle connection is set when it becomes idle, not at each answer from here. */
static int still_fresh(client_t *client) {
  uint64_t until_us = client->answered_us + (uint64_t)keep_alive_timeout * MICROSECONDS, now_us = boot_us();
  if (client->answered_us == 0 || stopping || client->phase != PHASE_IDLE || now_us >= until_us) return 0;
  picoev_limit(client->fd, until_us - now_us);
  return 1;
}
