#include "deadlines.h"

#include <Python.h>
#include <time.h>

static deadline **heap;
static uint32_t heap_size, heap_room;

uint64_t monotonic_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void put(uint32_t place, deadline *d) {
  heap[place - 1] = d;
  d->place = place;
}

static void sift_up(uint32_t place, deadline *d) {
  while (place > 1 && heap[place / 2 - 1]->at_us > d->at_us) {
    put(place, heap[place / 2 - 1]);
    place /= 2;
  }
  put(place, d);
}

static void sift_down(uint32_t place, deadline *d) {
  for (;;) {
    uint32_t child = place * 2;
    if (child > heap_size) break;
    if (child < heap_size && heap[child]->at_us < heap[child - 1]->at_us) child++;
    if (heap[child - 1]->at_us >= d->at_us) break;
    put(place, heap[child - 1]);
    place = child;
  }
  put(place, d);
}

static void make_room(void) {
  if (heap_size < heap_room) return;
  heap_room = heap_room ? heap_room * 2 : 1024;
  heap = realloc(heap, heap_room * sizeof(*heap));
  if (heap == NULL) Py_FatalError("no memory for deadlines");
}

void deadline_set(deadline *d, uint64_t in_us) {
  deadline_clear(d);
  make_room();
  d->at_us = monotonic_us() + in_us;
  heap_size++;
  sift_up(heap_size, d);
}

void deadline_clear(deadline *d) {
  uint32_t place = d->place;
  deadline *last;
  if (place == 0) return;
  d->place = 0;
  last = heap[--heap_size];
  if (last == d) return;
  if (place > 1 && heap[place / 2 - 1]->at_us > last->at_us)
    sift_up(place, last);
  else
    sift_down(place, last);
}

int deadlines_next_ms(int most_ms) {
  uint64_t now, left_ms;
  if (heap_size == 0) return most_ms;
  now = monotonic_us();
  if (heap[0]->at_us <= now) return 0;
  left_ms = (heap[0]->at_us - now + 999) / 1000;
  return left_ms < (uint64_t)most_ms ? (int)left_ms : most_ms;
}

void deadlines_expire(void) {
  uint64_t now;
  if (heap_size == 0) return;
  now = monotonic_us();
  while (heap_size > 0 && heap[0]->at_us <= now) {
    deadline *d = heap[0];
    deadline_clear(d);
    d->expire(d);
  }
}
