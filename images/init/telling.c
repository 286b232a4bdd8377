/* Owns the order of frames of an exec: STARTED, OUTPUT up to the end, EXIT, EXIT_GONE. */
#include "telling.h"

#include <string.h>

#include "ending.h"
#include "exec.h"
#include "outbox.h"
#include "output.h"

enum { STATUS_BYTES = 24, RUNNING = 0, ENDED = 1, LINGERING = 2 };

void telling_status(void) {
  uint32_t known = 0;
  EACH_EXEC(e) known++;
  uint8_t *at = outbox_put(FRAME_STATUS, 0, 0, known * STATUS_BYTES);
  EACH_EXEC(e) {
    memset(at, 0, STATUS_BYTES);
    put_u32(at, e->id);
    at[4] = !e->exit_ready ? RUNNING : !e->acked ? ENDED : LINGERING;
    put_u64(at + 8, e->output.credited);
    put_u64(at + 16, e->output.end);
    at += STATUS_BYTES;
  }
}

void telling_disconnected(void) {
  EACH_EXEC(e) {
    if (e->acked) continue;
    e->held = true;
    e->exit_sent = e->gone_sent = false;
    e->tell_started = e->started;
    /* Nobody can tell which of it arrived: what the pipe has not taken comes again from the offset that is told. */
    e->in.received = e->in.taken;
    e->in.eof = false;
    e->in.dirty = e->in.wanted || e->in.closed || e->in.taken > 0;
  }
}

static void tell_input(struct exec *e) {
  e->in.dirty = false;
  outbox_put_u64(FRAME_STDIN_CREDIT, e->in.closed ? FLAG_EOF : 0, e->id, e->in.taken);
}

/* One round for one exec; true: a data frame was put, so another round may be worth it. */
static bool pump(struct exec *e) {
  if (e->held || !outbox_takes_reply()) return false;
  if (e->tell_started) {
    e->tell_started = false;
    outbox_put_u32(FRAME_STARTED, 0, e->id, (uint32_t)e->leader);
    if (!outbox_takes_reply()) return false;
  }
  /* The pipe takes stdin before the leader has said that it started; STARTED comes first all the same. */
  if (e->in.dirty && !e->exit_sent && (e->started || e->exit_ready)) {
    tell_input(e);
    if (!outbox_takes_reply()) return false;
  }
  if (!e->acked && (e->started || e->exit_ready) && output_pump(e)) return true;
  if (e->exit_ready && !e->exit_sent && !e->acked && e->output.sent == e->output.end) {
    ending_put_exit(e);
    e->exit_sent = true;
    e->gone_sent = e->lingering == 0;
    if (!outbox_takes_reply()) return false;
  }
  if (e->gone && e->exit_sent && !e->gone_sent) {
    outbox_put(FRAME_EXIT_GONE, 0, e->id, 0);
    e->gone_sent = true;
  }
  return false;
}

void telling_pump(void) {
  static uint32_t first;
  bool more = true;
  first = (first + 1) % MAX_EXECS;
  while (more) {
    more = false;
    for (uint32_t i = 0; i < MAX_EXECS; i++) {
      struct exec *e = &execs[(first + i) % MAX_EXECS];
      if (e->id != 0 && pump(e)) more = true;
    }
  }
}
