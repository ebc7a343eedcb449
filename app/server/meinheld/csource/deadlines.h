/* Deadlines of descriptors and waiting greenlets, to the millisecond, in one binary heap (jobfinder's addition). */
#ifndef DEADLINES_H
#define DEADLINES_H

#include <stdint.h>

typedef struct deadline_st deadline;

struct deadline_st {
  uint64_t at_us; /* on CLOCK_MONOTONIC */
  uint32_t place; /* in the heap, from 1; 0: not set */
  void (*expire)(deadline *d);
};

uint64_t monotonic_us(void);

/* Makes `d` expire `in_us` from now, whatever it was set to before. */
void deadline_set(deadline *d, uint64_t in_us);

void deadline_clear(deadline *d);

/* Milliseconds until the first deadline, rounded up, at most `most_ms`. */
int deadlines_next_ms(int most_ms);

/* Calls `expire` of everything that is due; each has been cleared before. */
void deadlines_expire(void);

#endif
