"""Repairs of `picoev` and of waiting in greenlets: time limits to the millisecond, no lost and no idle wake-ups."""

from app.server.meinheld.repair import Add, Cut, Delete, Repair, Replace

PICOEV, EPOLL, SERVER = "picoev.h", "picoev_epoll.c", "server.c"

LIMITS = """
/* Makes the descriptor's callback hear PICOEV_TIMEOUT once, `us` from now. */
PICOEV_INLINE
void picoev_limit(int fd, uint64_t us) {
  picoev.fds[fd].limit.expire = picoev_expire;
  deadline_set(&picoev.fds[fd].limit, us);
}

/* updates timeout */
PICOEV_INLINE
void picoev_set_timeout(picoev_loop* loop, int fd, int secs) {
  if (secs != 0)
    picoev_limit(fd, (uint64_t)secs * 1000000);
  else
    deadline_clear(&picoev.fds[fd].limit);
}

"""

LOOP_ONCE = """/* loop once; waits at most `max_wait` milliseconds */
PICOEV_INLINE
int picoev_loop_once(picoev_loop* loop, int max_wait) {
  int failed = picoev_poll_once_internal(loop, deadlines_next_ms(max_wait));
  loop->now = current_msec / 1000;
  deadlines_expire();
  return failed;
}

"""

EXPIRE = """picoev_globals picoev;

volatile int picoev_polling = 0;
static picoev_loop* only_loop = NULL;

void picoev_expire(deadline* d) {
  picoev_fd* target = (picoev_fd*)((char*)d - offsetof(picoev_fd, limit));
  (*target->callback)(only_loop, (int)(target - picoev.fds), PICOEV_TIMEOUT, target->cb_arg);
}
"""

REPAIRS = (
    Repair(
        "coarse time limits",
        "Time limits are whole seconds, at most 127, up to two seconds late, and their table costs 32 bytes for each "
        "descriptor that could exist; a clock that is set changes them.",
        "by measurement: database and cache waits need limits below a second",
        (
            Add("deadlines.h"),
            Add("deadlines.c"),
            Replace(PICOEV, '#include "time_cache.h"\n', '#include "deadlines.h"\n#include "time_cache.h"\n'),
            Replace(
                PICOEV,
                "  unsigned char timeout_idx; /* PICOEV_TIMEOUT_IDX_UNUSED if not used */\n",
                "  deadline limit;\n",
            ),
            Cut(PICOEV, "  struct {\n    short* vec;\n", "  time_t now;\n"),
            Replace(
                PICOEV,
                "extern picoev_globals picoev;\n",
                "extern picoev_globals picoev;\n\n"
                "extern volatile int picoev_polling; /* the loop sleeps and must be woken */\n"
                "void picoev_expire(deadline* d);\n",
            ),
            Replace(
                PICOEV,
                "  if ((*orig_addr = malloc(sz)) == NULL) {\n    return NULL;\n  }\n"
                "  if (clear != 0) {\n    memset(*orig_addr, 0, sz);\n  }\n",
                "  if ((*orig_addr = calloc(1, sz)) == NULL) {\n    return NULL;\n  }\n",
            ),
            Cut(PICOEV, "  picoev.timeout_vec_size =\n", "  return 0;\n"),
            Cut(PICOEV, "/* updates timeout */\n", "/* registers a file descriptor", LIMITS),
            Replace(PICOEV, "  target->timeout_idx = PICOEV_TIMEOUT_IDX_UNUSED;\n", ""),
            Cut(
                PICOEV,
                "  if ((loop->timeout.vec_of_vec = (short*)picoev_memalign(\n",
                "  return 0;\n}\n\n/* internal function */\nPICOEV_INLINE\nvoid picoev_deinit_loop_internal",
            ),
            Replace(PICOEV, "  free(loop->timeout._free_addr);\n", ""),
            Cut(
                PICOEV,
                "/* internal function */\nPICOEV_INLINE\nvoid picoev_handle_timeout_internal",
                "/* loop once */\n",
            ),
            Cut(PICOEV, "/* loop once */\n", "#undef PICOEV_INLINE", LOOP_ONCE),
            Replace(EPOLL, "#include <errno.h>\n", "#include <errno.h>\n#include <stddef.h>\n"),
            Replace(EPOLL, "picoev_globals picoev;\n", EXPIRE),
            Replace(EPOLL, "  return &loop->loop;\n", "  only_loop = &loop->loop;\n  return &loop->loop;\n"),
            Cut(
                EPOLL,
                "  Py_BEGIN_ALLOW_THREADS nevents = epoll_wait(\n",
                "  if (nevents == -1) {",
                """  picoev_polling = 1;
  Py_BEGIN_ALLOW_THREADS nevents =
      epoll_wait(loop->epfd, loop->events, sizeof(loop->events) / sizeof(loop->events[0]), max_wait);
  Py_END_ALLOW_THREADS picoev_polling = 0;
  cache_time_update();

""",
            ),
        ),
    ),
    Repair(
        "lost events",
        "EPOLL_CTL_MOD of a descriptor added with EPOLLEXCLUSIVE fails with EINVAL, unseen: waiting to write and "
        "then to "
        "read spins (590,617 wake-ups in 2 s), the other way round never wakes.",
        "epoll_ctl(2), meinheld since 0.6.0",
        (Replace(EPOLL, "ev.events |= EPOLLEXCLUSIVE;", "", 2),),
    ),
    Repair(
        "failed registrations",
        "A descriptor that epoll refuses (a plain file, one that is closed) counts as registered and is waited for "
        "in vain.",
        "epoll_ctl(2)",
        (
            Replace(
                EPOLL,
                "      assert(errno == ENOENT);\n",
                "",
            ),
            Replace(
                EPOLL,
                "      SET(EPOLL_CTL_ADD, 1);\n    }\n  }\n\n#else\n",
                "      SET(EPOLL_CTL_ADD, 0);\n      if (epoll_ret != 0) return -1;\n    }\n  }\n\n#else\n",
            ),
        ),
    ),
    Repair(
        "errors without data",
        "A descriptor on which only an error or a hang-up is pending wakes the loop for ever and is never reported.",
        "epoll_ctl(2), EPOLLERR and EPOLLHUP",
        (
            Replace(
                EPOLL,
                "      if (likely(revents != 0)) {",
                "      if ((event->events & (EPOLLERR | EPOLLHUP)) != 0)\n"
                "        revents |= target->events & PICOEV_READWRITE;\n"
                "      if (likely(revents != 0)) {",
            ),
        ),
    ),
    Repair(
        "waiting in greenlets",
        "`trampoline` takes whole seconds, hangs for descriptors beyond the loop's table, loses a second waiter of a "
        "descriptor and a reference each time; nothing can be woken from another thread; `start_response` is one "
        "object "
        "that points at the request resumed last. One `wait` and a `Waiter` take the place of trampoline, sleep, "
        "spawn, timers and continuations.",
        "by reading",
        (
            Add("waiting.h"),
            Delete("meinheld/server/timer.c"),
            Delete("meinheld/server/timer.h"),
            Delete("meinheld/server/heapq.c"),
            Delete("meinheld/server/heapq.h"),
            Replace(SERVER, '#include "heapq.h"\n', ""),
            Replace(SERVER, '#include "timer.h"\n', ""),
            Cut(SERVER, "typedef struct {\n  TimerObject **q;", 'static char *server_name = "127.0.0.1";'),
            Replace(SERVER, "static heapq_t *g_timers;\nstatic pending_queue_t *g_pendings = NULL;\n", ""),
            Cut(
                SERVER,
                "static void trampoline_callback(picoev_loop *loop, int fd, int events,\n"
                "                                void *cb_arg);",
                "static int prepare_call_wsgi",
            ),
            Cut(SERVER, "static pending_queue_t *init_pendings(void) {", "static void client_t_list_fill(void)"),
            Cut(SERVER, "#ifdef WITH_GREENLET\nstatic void resume_greenlet(", "static int check_http_expect("),
            Cut(SERVER, "static inline int fire_pendings(void) {", "static int listen_all_sockets(void) {"),
            Cut(SERVER, "PyObject *meinheld_suspend_client(", "static PyMethodDef ServerMethods[]"),
            Replace(SERVER, "  if (PyType_Ready(&TimerObjectType) < 0) {\n    INITERROR;\n  }\n\n", ""),
            Cut(SERVER, "  g_timers = init_queue();\n", "#ifdef WITH_GREENLET\n  hub_switch_value"),
        ),
    ),
)
