/* Owns the retries of a START whose fork failed with EAGAIN. */
#include "room.h"

#include <errno.h>
#include <string.h>

#include "clock.h"
#include "memory.h"
#include "slay.h"

/* The first wait is for slots that come free by themselves. */
static const uint32_t waits_ms[] = {30, 150, 500, 1200};
enum { MAX_ATTEMPTS = sizeof waits_ms / sizeof waits_ms[0], KILLING_GAP_US = 100 * 1000, PATIENCE_US = 10 * 1000 * 1000 };

void room_keep(struct exec *e, const uint8_t *body, uint32_t bytes) {
  e->waiting_bytes = bytes <= WINDOW_BYTES ? bytes : 0;
  memcpy(e->output.ring, body, e->waiting_bytes);
}

bool room_wait(struct exec *e) {
  uint64_t now = now_us();
  if (e->waiting_bytes == 0 || e->output.end > 0) return false;
  if (e->attempts == 0) e->give_up_at = now + PATIENCE_US;
  if (e->attempts < MAX_ATTEMPTS) {
    if (e->attempts > 0) slay_largest();
    e->retry_at = now + waits_ms[e->attempts++] * 1000u;
    return true;
  }
  /* Room is being made, only slowly: on a busy host a fork bomb takes its time to die. */
  e->retry_at = now + KILLING_GAP_US;
  return slay_is_killing() && now < e->give_up_at;
}

int room_retry(struct exec *e) {
  /* Children don't have the rings of PID 1. */
  struct pages pages = {memory_take(e->waiting_bytes), e->waiting_bytes};
  if (pages.memory == NULL) {
    e->stage = STAGE_FORK;
    return ENOMEM;
  }
  memcpy(pages.memory, e->output.ring, e->waiting_bytes);
  int error = spawn(e, pages.memory, pages);
  memory_return(pages.memory, pages.bytes);
  return error;
}
