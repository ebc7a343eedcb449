/* The table of kept answers: what it holds, and how things leave it. docs/answers.md explains it.
 *
 * A page is a whole answer, for everybody who may have it or for one token alone. A pass says that one token, or one
 * network without a token, may have pages. An answer needs both. Everything here runs with the interpreter's lock held
 * and switches to no other greenlet, so that each function is one step for every thread and every request.
 */

#include <malloc.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#define STEP_MOST 4096       /* work of one step, in links that are followed or cut: some 0.2 ms */
#define ENTRY_WORK 4         /* of removing an entry, besides its links */
#define ALLOCATION_BYTES 16  /* what the C library adds to a block */
#define HASH_MASK (~0ull)    /* builds for tests keep few bits, so that entries collide */
#define PAGE_MOST (240 * 1024) /* of one answer; more would not fit into what is sent at once */
#define ADMIT_BITS (1u << 19)
#define ADMIT_US 60000000
#define PIECES_MOST 6
#define COUNTED_MOST 8
#define WINDOW_S 60

enum { HOLE_NONE, HOLE_DATE, HOLE_ID, HOLE_RATE, HOLE_TRACE };

typedef struct {
  uint32_t length; /* bytes as they are, then the hole */
  uint8_t hole;
} piece;

typedef struct reliance_st { /* "this entry rests on that key", in the chain of the key's hash */
  struct reliance_st *next, **at;
  uint64_t hash;
  struct entry_st *entry;
} reliance;

typedef struct entry_st {
  struct entry_st *next, **at;       /* chain of the hash */
  struct entry_st *younger, *older;  /* ring of the second chance */
  uint64_t hash, expires_us;         /* CLOCK_BOOTTIME */
  int64_t until_s;                   /* CLOCK_REALTIME */
  uint64_t generation;
  uint64_t owner;                    /* of a pass: its number; of a page: the number of the only pass, 0 for any */
  Py_buffer rate;                    /* of a pass: the user's allowance, two int64: requests left, window */
  size_t bytes, key_length, body_length, reliance_count;
  uint32_t route;                    /* of a page: the place of its route in the counters */
  struct { uint32_t place, times; } counted[COUNTED_MOST]; /* what one answer adds to the counters */
  uint16_t status;
  uint8_t used, is_page;
  uint8_t is_limited;                /* a page: its template says what is left; a pass: it has an allowance */
  uint8_t is_open;                   /* a page for requests without a token */
  uint8_t counted_count, piece_count;
  piece pieces[PIECES_MOST];
  char *data;                        /* behind the reliances: key; of a page then its template and its body */
  reliance reliances[];              /* in the same block, for many small ones are joined by the C library at once */
} entry;

static entry **entry_chains, *entry_hand;
static reliance **reliance_chains;
static size_t chain_mask;
static uint64_t answer_seeds[4], answers_generation, answers_forgets, answers_looks, pass_number;
static uint64_t lease_until_us, renew_at_us; /* CLOCK_BOOTTIME */
static uint64_t looked_position;
static size_t answers_budget, answers_bytes, answers_count, answers_old; /* old: those that are forgotten */
static uint8_t admit_now[ADMIT_BITS / 8], admit_before[ADMIT_BITS / 8];
static uint64_t admit_until_us;

enum { REFUSED_PROOF, REFUSED_LOOK, REFUSED_FORGOTTEN, REFUSED_FORM, REFUSED_SIZE, REFUSED_COUNT };
static uint64_t answers_given, answers_missed, answers_stale, answers_odd, answers_kept, answers_evicted, answers_removed;
static uint64_t answers_refused[REFUSED_COUNT];

static uint64_t boot_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int64_t wall_s(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return now.tv_sec;
}

/* --- hashing, keyed with random numbers, so that nobody can aim at one chain ----------------- */

static inline uint64_t fold(uint64_t a, uint64_t b) {
  __uint128_t product = (__uint128_t)a * b;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_bytes(const char *s, size_t length, uint64_t seed) {
  uint64_t pair[2];
  seed ^= fold(length ^ answer_seeds[0], answer_seeds[1]);
  for (; length > 16; s += 16, length -= 16) {
    memcpy(pair, s, 16);
    seed = fold(pair[0] ^ answer_seeds[2], pair[1] ^ seed);
  }
  pair[0] = pair[1] = 0;
  memcpy(pair, s, length);
  return fold(fold(pair[0] ^ answer_seeds[2], pair[1] ^ seed), answer_seeds[3]);
}

/* --- entries leave -------------------------------------------------------------------------- */

static void drop_entry(entry *e) { /* that is in no chain */
  if (e->is_limited && !e->is_page) PyBuffer_Release(&e->rate);
  free(e);
}

static void remove_entry(entry *e) {
  size_t i;
  *e->at = e->next;
  if (e->next) e->next->at = e->at;
  e->younger->older = e->older;
  e->older->younger = e->younger;
  if (entry_hand == e) entry_hand = e->younger == e ? NULL : e->younger;
  for (i = 0; i < e->reliance_count; i++) {
    reliance *r = &e->reliances[i];
    *r->at = r->next;
    if (r->next) r->next->at = r->at;
  }
  if (e->generation != answers_generation) answers_old--;
  answers_bytes -= e->bytes;
  answers_count--;
  drop_entry(e);
}

/* Entries of the generation before are found no more; they are freed later, some at each look. */
static void forget_everything(void) {
  answers_generation++;
  answers_old = answers_count;
}

/* Frees what is forgotten, and what is beyond the bound, while there is work left of the step. */
static void sweep(int work) {
  while (work > 0 && entry_hand != NULL && (answers_bytes > answers_budget || answers_old > 0)) {
    entry *e = entry_hand;
    entry_hand = e->younger;
    work -= ENTRY_WORK;
    if (e->generation != answers_generation || (answers_bytes > answers_budget && !e->used)) {
      work -= (int)e->reliance_count;
      if (e->generation == answers_generation) answers_evicted++;
      remove_entry(e);
    } else if (answers_bytes > answers_budget) {
      e->used = 0;
    }
  }
}

/* Makes room for `bytes`; the second chance of each entry is the `used` that an answer sets. 0: it would take too long. */
static int make_room(size_t bytes) {
  int work = STEP_MOST;
  for (; answers_bytes + bytes > answers_budget; work -= ENTRY_WORK) {
    entry *e = entry_hand;
    if (e == NULL || work <= 0) return 0;
    entry_hand = e->younger;
    if (e->used && e->generation == answers_generation) {
      e->used = 0;
    } else {
      work -= (int)e->reliance_count;
      if (e->generation == answers_generation) answers_evicted++;
      remove_entry(e);
    }
  }
  return 1;
}

/* Removes what rests on the key, or on one with the same hash; 0 when that would take too long. */
static int forget_key(const char *key, size_t length, int *work) {
  uint64_t hash = hash_bytes(key, length, 1);
  reliance **chain, *r;
  if (reliance_chains == NULL) return 1;
  chain = &reliance_chains[hash & chain_mask];
  for (r = *chain; r != NULL;) {
    if (--*work < 0) return 0;
    if (r->hash != hash) {
      r = r->next;
      continue;
    }
    *work -= ENTRY_WORK + (int)r->entry->reliance_count;
    answers_removed++;
    remove_entry(r->entry); /* may remove others of this chain, too */
    r = *chain;
  }
  return 1;
}

/* `keys` is a sequence of str, or None for everything; `work` is that of the step, and becomes what is left of it. */
static int forget_all_of(PyObject *keys, int *work) {
  int done = 1;
  Py_ssize_t i;
  PyObject *fast;
  if (keys == Py_None) {
    forget_everything();
    return 0;
  }
  if ((fast = PySequence_Fast(keys, "a sequence of keys, or None")) == NULL) return -1;
  for (i = 0; i < PySequence_Fast_GET_SIZE(fast) && done; i++) {
    Py_ssize_t length;
    const char *key = PyUnicode_AsUTF8AndSize(PySequence_Fast_GET_ITEM(fast, i), &length);
    PyErr_Clear();
    done = key != NULL && forget_key(key, (size_t)length, work); /* what cannot be read could be any key */
  }
  Py_DECREF(fast);
  if (!done) forget_everything();
  return 0;
}

/* --- entries are found and come ------------------------------------------------------------- */

static uint64_t hash_entry(const char *s, size_t length, uint64_t seed) { return hash_bytes(s, length, seed) & HASH_MASK; }

static entry *find_entry(uint64_t hash, int is_page, uint64_t owner, const char *key, size_t length) {
  entry *e = entry_chains[hash & chain_mask];
  for (; e != NULL; e = e->next) {
    if (e->hash == hash && e->generation == answers_generation && e->is_page == is_page &&
        (!is_page || e->owner == owner) && e->key_length == length && memcmp(e->data, key, length) == 0)
      return e;
  }
  return NULL;
}

static void enter(entry *e) {
  entry **chain = &entry_chains[e->hash & chain_mask];
  e->next = *chain, e->at = chain, *chain = e;
  if (e->next) e->next->at = &e->next;
  if (entry_hand == NULL) {
    entry_hand = e->younger = e->older = e;
  } else { /* the hand comes to it last */
    e->younger = entry_hand, e->older = entry_hand->older;
    e->older->younger = e, entry_hand->older = e;
  }
  answers_bytes += e->bytes;
  answers_count++;
}

static int rest_on(entry *e, PyObject *keys) {
  Py_ssize_t i, count = PyTuple_GET_SIZE(keys);
  for (i = 0; i < count; i++) {
    Py_ssize_t length;
    const char *key = PyUnicode_AsUTF8AndSize(PyTuple_GET_ITEM(keys, i), &length);
    reliance *r = &e->reliances[i], **chain;
    if (key == NULL) return -1;
    r->entry = e, r->hash = hash_bytes(key, (size_t)length, 1);
    chain = &reliance_chains[r->hash & chain_mask];
    r->next = *chain, r->at = chain, *chain = r;
    if (r->next) r->next->at = &r->next;
    e->reliance_count++;
  }
  return 0;
}

/* Whether something with this key was missed before, within the last minute or two. */
static int missed_before(const char *key, size_t length, uint64_t now_us) {
  uint64_t hash = hash_bytes(key, length, 5);
  uint32_t bit = (uint32_t)(hash >> 40) & (ADMIT_BITS - 1);
  uint8_t mask = (uint8_t)(1u << (bit & 7));
  int before;
  if (now_us >= admit_until_us) {
    memcpy(admit_before, admit_now, sizeof(admit_now));
    memset(admit_now, 0, sizeof(admit_now));
    admit_until_us = now_us + ADMIT_US;
  }
  before = (admit_now[bit >> 3] | admit_before[bit >> 3]) & mask;
  admit_now[bit >> 3] |= mask;
  return before != 0;
}
