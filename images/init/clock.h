/* Two clocks in microseconds: the monotonic one, and the one of limits, which stands still while the daemon has
 * stopped it around a pause. */
#ifndef CLOISTER_CLOCK_H
#define CLOISTER_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define NEVER UINT64_MAX

uint64_t now_us(void);
uint64_t limit_us(void);
void limit_clock_run(bool run);
/* When a deadline of the limit clock is due on the monotonic one; NEVER while that clock stands. */
uint64_t limit_due(uint64_t deadline);

static inline uint64_t earlier(uint64_t a, uint64_t b) { return a < b ? a : b; }

#endif
