/* Accepting connections and reading requests, each within its time (in place of meinheld's functions of the same names). */

#define ACCEPT_MOST 64
#define ACCEPT_PAUSE_US 100000
#define ACCEPT_AFTER_YIELD 8
#define YIELD_US 5000

/* Queues an error response after the requests in the queue. */
static void push_refusal(client_t *client, int status_code) {
  request *req = new_request();
  req->bad_request_code = status_code;
  push_request(client->request_queue, req);
}

/* 1: answered when its turn comes, -1: the client is closed. A complete request before the error stays good. */
static int set_read_error(client_t *client, int status_code) {
  PyErr_Clear();
  client->unread = 1;
  if (client->request_queue->size > 0) {
    if (client->phase == PHASE_IDLE)
      push_refusal(client, status_code);
    else
      client->request_queue->tail->bad_request_code = status_code;
    return 1;
  }
  client->keep_alive = 0;
  client->status_code = status_code;
  send_error_page(client);
  close_client(client);
  return -1;
}

/* The client has closed its half or is too slow; an idle connection is just closed. */
static int end_reading(client_t *client, int status_code) {
  if (client->phase != PHASE_IDLE) return set_read_error(client, status_code);
  client->keep_alive = 0;
  close_client(client);
  return -1;
}

static int status_of_error(client_t *client) {
  if (client->phase != PHASE_IDLE && client->current_req->bad_request_code > 0)
    return client->current_req->bad_request_code;
  switch (HTTP_PARSER_ERRNO(client->http_parser)) {
    case HPE_INVALID_METHOD:
      return 501;
    case HPE_HEADER_OVERFLOW:
      return 431;
    default:
      return 400;
  }
}

static int parse_http_request(client_t *client, char *buf, ssize_t r) {
  size_t nread = execute_parse(client, buf, r);
  request_queue *queue = client->request_queue;
  if (queue->size == PIPELINED_MOST && HTTP_PARSER_ERRNO(client->http_parser) == HPE_CB_message_begin) {
    queue->tail->keep_alive = 0; /* the client sends the others again on another connection */
    client->unread = 1;
    return 1;
  }
  if (nread != (size_t)r) return set_read_error(client, status_of_error(client));
  return queue->size > (client->phase != PHASE_IDLE);
}

/* The parser's first request is the one that the scan has found something about. */
static void pass_on(client_t *client, const scan_finding *found) {
  request *first = client->request_queue->head;
  if (first == NULL || first->environ == NULL) return;
  if (found->wish) PyDict_SetItem(first->environ, wish_key, found->wish);
  if (found->sampled) PyDict_SetItem(first->environ, sampled_key, Py_True);
  PyErr_Clear();
  first->wish = found->wish;
  Py_XINCREF(first->wish);
}

/* 1: at least one request can be served, 0: more is to come, -1: the client is closed. There is room for SCAN_PADDING
 * bytes behind those that were read. Without `scan` all of them are the parser's. */
static int take_bytes(client_t *client, char *buf, size_t length, int scan) {
  scan_finding found = {NULL, 0};
  ssize_t used = 0;
  int finish = 0;
  memset(buf + length, 0, SCAN_PADDING);
  if (scan) used = give_answers(client, buf, length, &found);
  if (used < 0) return -1;
  if (client->unsent == NULL && (size_t)used < length) {
    finish = parse_http_request(client, buf + used, (ssize_t)length - used);
    if (finish == 1) pass_on(client, &found);
  }
  Py_XDECREF(found.wish);
  return finish;
}

static int read_request(client_t *client, int scan) {
  static char buf[READ_BUF_SIZE + SCAN_PADDING];
  size_t most = client->phase == PHASE_BODY ? READ_BUF_SIZE : READ_HEADERS_MOST;
  ssize_t r = recv(client->fd, buf, most, 0);
  if (r == (ssize_t)most || (r < 0 && errno == EINTR)) picoev_again(main_loop, client->fd); /* there may be more */
  if (r > 0) return take_bytes(client, buf, (size_t)r, scan);
  if (r < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  if (r < 0) client->header_done = 1; /* the client is gone: send no error page */
  return end_reading(client, 400);
}

/* A budget for all headers and one for the whole body, however slowly their bytes arrive. */
static void limit_reading(client_t *client) {
  if (client->phase == PHASE_IDLE || client->phase == client->limited) return;
  client->limited = client->phase;
  picoev_limit(client->fd, client->phase == PHASE_BODY ? body_limit_us : header_limit_us);
}

static void serve_or_wait(client_t *client, int finish) {
  if (finish == 1) {
    forget_fd(client->fd);
    serve(client);
  } else if (finish == 0) {
    limit_reading(client);
  }
}

static void read_callback(picoev_loop *loop, int fd, int events, void *cb_arg) {
  client_t *client = (client_t *)cb_arg;
  if ((events & PICOEV_TIMEOUT) == 0)
    serve_or_wait(client, read_request(client, 1));
  else if (!still_fresh(client))
    serve_or_wait(client, end_reading(client, 408));
}

/* Sends what is left of kept answers; then what the client has sent behind comes next. */
static void unsent_callback(picoev_loop *loop, int fd, int events, void *cb_arg) {
  client_t *client = (client_t *)cb_arg;
  void *arg = client;
  unsent *u = client->unsent;
  ssize_t sent = -1;
  int timed_out = (events & PICOEV_TIMEOUT) != 0, finish = 0;
  if (!timed_out) sent = send(fd, u->bytes + u->at, u->out_length - u->at, MSG_NOSIGNAL);
  if (!timed_out && sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return;
  if (sent < 0) {
    give_up(client);
    return;
  }
  picoev_limit(fd, write_limit_us);
  if ((u->at += (size_t)sent) < u->out_length) return;
  client->unsent = NULL;
  client->answered_us = boot_us();
  picoev_set_callback(loop, fd, read_callback, &arg);
  picoev_set_events(loop, fd, PICOEV_READ | PICOEV_EDGE);
  picoev_limit(fd, stopping ? idle_linger_us : (uint64_t)keep_alive_timeout * MICROSECONDS);
  if (u->in_length > 0) finish = take_bytes(client, u->bytes + u->out_length, u->in_length, 1);
  free_unsent(u);
  serve_or_wait(client, finish);
}

static void describe_peer(struct sockaddr_storage *address, char *name, size_t size, uint32_t *port) {
  name[0] = '\0'; /* stays empty for a Unix socket */
  *port = 0;
  if (address->ss_family == AF_INET) {
    struct sockaddr_in *in = (struct sockaddr_in *)address;
    inet_ntop(AF_INET, &in->sin_addr, name, size);
    *port = ntohs(in->sin_port);
  } else if (address->ss_family == AF_INET6) {
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)address;
    inet_ntop(AF_INET6, &in6->sin6_addr, name, size);
    *port = ntohs(in6->sin6_port);
  }
}

static void greet_client(int fd, struct sockaddr_storage *address) {
  char name[INET6_ADDRSTRLEN];
  uint32_t port;
  client_t *client;
  int finish;
  describe_peer(address, name, sizeof(name), &port);
  if (address->ss_family != AF_UNIX) setup_sock(fd);
  client = new_client_t(fd, name, port);
  init_parser(client, server_name, server_port);
  finish = read_request(client, 0); /* the loop does not watch it yet */
  if (finish == 1) {
    serve(client);
  } else if (finish == 0) {
    client->limited = PHASE_HEADERS;
    if (watch_client(client, header_limit_us) != 0) {
      client->keep_alive = 0;
      close_client(client);
    } else {
      limit_reading(client);
    }
  }
}

/* 1: accepted, 0: none waiting, -1: no descriptors or memory at the moment. */
static int accept_client(int listener) {
  struct sockaddr_storage address;
  socklen_t length = sizeof(address);
  int fd;
  if (client_count >= max_clients) return -1;
  memset(&address, 0, sizeof(address));
  fd = accept4(listener, (struct sockaddr *)&address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd == -1) {
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) return -1;
    return errno == ECONNABORTED || errno == EINTR || errno == EPROTO;
  }
  count_clients(1);
  if (fd >= max_fd)
    close_fd(fd); /* the loop's table has no entry for it */
  else
    greet_client(fd, &address);
  return 1;
}

/* Whether another worker has clearly fewer connections than this one. */
static int has_enough(void) {
  int i, least = INT_MAX;
  for (i = 0; i < shared_slots; i++) {
    if (i != shared_slot && shared_counts[i] >= 0 && shared_counts[i] < least) least = shared_counts[i];
  }
  return least < INT_MAX && client_count > least + least / 16 + 1;
}

static void pause_accepting(picoev_loop *loop, int fd, uint64_t us) {
  picoev_set_events(loop, fd, 0);
  picoev_limit(fd, us);
}

static void set_full(int is_full) {
  full = is_full;
  count_clients(0);
}

/* A worker with clearly more connections than another pauses for YIELD_US, so that the other can accept; then it
 * accepts a few of those still waiting, in case the other is busy. */
static void accept_callback(picoev_loop *loop, int fd, int events, void *cb_arg) {
  static int yielded = 0;
  int most, accepted;
  if ((events & PICOEV_TIMEOUT) != 0) {
    set_full(0);
    picoev_set_events(loop, fd, PICOEV_READ);
    return;
  }
  for (most = yielded ? ACCEPT_AFTER_YIELD : ACCEPT_MOST; most > 0; most--) {
    if (!yielded && has_enough()) {
      yielded = 1;
      pause_accepting(loop, fd, YIELD_US);
      return;
    }
    accepted = accept_client(fd);
    if (accepted == -1) {
      set_full(1);
      pause_accepting(loop, fd, ACCEPT_PAUSE_US);
    }
    if (accepted != 1) break;
  }
  yielded = 0;
}
