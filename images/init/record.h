/* What a supervisor tells PID 1: fixed records on a pipe, each written at once. */
#ifndef CLOISTER_RECORD_H
#define CLOISTER_RECORD_H

#include <stdint.h>

enum record_kind { RECORD_STARTED = 1, RECORD_FAILED = 2, RECORD_ENDED = 3, RECORD_GONE = 4 };

struct record {
  uint32_t kind;
  uint32_t value;  /* STARTED: pid; FAILED: STAGE_* */
  int32_t status;  /* FAILED: errno; ENDED: wait status of the leader */
  uint32_t gone;   /* ENDED: no descendant was left with it */
  uint64_t user_us, system_us, max_rss_kib; /* of all reaped so far */
};

#endif
