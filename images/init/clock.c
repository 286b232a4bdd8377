/* Owns the offset between the two clocks. */
#define _GNU_SOURCE
#include "clock.h"

#include <time.h>

static bool standing;
static uint64_t stood_at;    /* limit time at which the clock stopped */
static uint64_t stood_total; /* what all stops so far took */

uint64_t now_us(void) {
  struct timespec t;
  if (clock_gettime(CLOCK_MONOTONIC, &t) != 0) return 0;
  return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

uint64_t limit_us(void) { return standing ? stood_at : now_us() - stood_total; }

void limit_clock_run(bool run) {
  if (run != standing) return;
  if (!run) {
    stood_at = limit_us();
    standing = true;
  } else {
    stood_total = now_us() - stood_at;
    standing = false;
  }
}

uint64_t limit_due(uint64_t deadline) {
  return standing || deadline == NEVER ? NEVER : deadline + stood_total;
}
