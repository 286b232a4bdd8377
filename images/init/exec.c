/* Owns the table of execs: what the daemon asks of one, its limits, and when its slot is free again. */
#define _GNU_SOURCE
#include "exec.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "clock.h"
#include "control.h"
#include "descriptors.h"
#include "ending.h"
#include "input.h"
#include "loop.h"
#include "memory.h"
#include "outbox.h"
#include "output.h"
#include "pty.h"
#include "room.h"
#include "say.h"
#include "slay.h"
#include "spawn.h"
#include "start-check.h"

enum {
  KILL_BYTES = 8,
  TAG_BYTES = WINDOW_BYTES / 8,
  /* Whole pages. */
  SLOT_BYTES = (WINDOW_BYTES + STDIN_WINDOW_BYTES + TAG_BYTES + 4095) / 4096 * 4096
};

struct exec execs[MAX_EXECS];
static uint8_t *slots;

bool exec_open(void) { return (slots = memory_take_private((size_t)SLOT_BYTES * MAX_EXECS)) != NULL; }

static uint8_t *slot_memory(const struct exec *e) { return slots + (size_t)SLOT_BYTES * (size_t)(e - execs); }

struct exec *exec_find(uint32_t id) {
  EACH_EXEC(e)
    if (e->id == id) return e;
  return NULL;
}

static struct exec *take_slot(uint32_t id) {
  struct exec *e = execs;
  while (e < execs + MAX_EXECS && e->id != 0) e++;
  if (e == execs + MAX_EXECS) return NULL;
  uint8_t *memory = slot_memory(e);
  *e = (struct exec){.id = id, .report = -1, .out = {.fd = -1}, .err = {.fd = -1}, .in = {.fd = -1}, .drain_until = NEVER,
                     .wall_until = NEVER};
  e->output.ring = memory;
  e->in.ring = memory + WINDOW_BYTES;
  e->output.tags = memory + WINDOW_BYTES + STDIN_WINDOW_BYTES;
  return e;
}

static void started_or_not(struct exec *e, int error) {
  if (error == 0) input_write(e);
  else if (e->stage != STAGE_FORK || error != EAGAIN || !room_wait(e)) ending_not_started(e, e->stage, error);
}

bool exec_start(const struct frame *frame) {
  const uint8_t *body = frame->body;
  if (frame->id == 0 || !start_is_sound(body, frame->length)) return false;
  struct exec *e = exec_find(frame->id);
  if (e != NULL) {
    e->tell_started = e->started;
    if (!e->acked) e->exit_sent = e->gone_sent = false;
    return true;
  }
  e = take_slot(frame->id);
  if (e == NULL) {
    const struct exec none = {.id = frame->id, .reason = REASON_NOT_STARTED, .stage = STAGE_TABLE, .error = EAGAIN};
    ending_put_exit(&none);
    return true;
  }
  e->pty = body[1] == 1;
  e->in.wanted = e->pty || body[0] == 1;
  e->begun = e->idle_from = limit_us();
  uint32_t wall_ms = get_u32(body + 12);
  if (wall_ms != 0) e->wall_until = e->begun + (uint64_t)wall_ms * 1000u;
  e->idle_us = (uint64_t)get_u32(body + 16) * 1000u;
  e->grace_ms = get_u32(body + 20);
  room_keep(e, body, frame->length);
  started_or_not(e, spawn(e, body, control_pages()));
  return true;
}

bool exec_stdin(const struct frame *frame) {
  struct exec *e = exec_find(frame->id);
  return e == NULL || input_accept(e, frame);
}

bool exec_credit(const struct frame *frame) {
  if (frame->length != 8) return false;
  struct exec *e = exec_find(frame->id);
  bool rewind = (frame->flags & FLAG_REWIND) != 0;
  if (e == NULL || e->acked || (e->held && !rewind)) return true;
  if (!output_credit(&e->output, get_u64(frame->body), rewind)) return false;
  if (rewind) e->held = false;
  return true;
}

bool exec_resize(const struct frame *frame) {
  if (frame->length != 4) return false;
  struct exec *e = exec_find(frame->id);
  if (e == NULL || !e->pty || e->out.fd < 0) return true;
  int error = pty_resize(e->out.fd, get_u16(frame->body), get_u16(frame->body + 2));
  if (error != 0) say("cannot resize a terminal", error);
  return true;
}

bool exec_ack(const struct frame *frame) {
  if (frame->length != 0) return false;
  struct exec *e = exec_find(frame->id);
  if (e != NULL) e->acked = true;
  return true;
}

static void stop(struct exec *e, uint8_t reason, uint8_t signal_number, uint32_t grace_ms) {
  ending_read_report(e);
  if (room_is_waiting(e)) {
    e->reason = reason;
    ending_not_started(e, 0, 0);
  } else {
    slay(e, reason, signal_number, grace_ms);
  }
}

static void signal_groups(struct exec *e, int number) {
  pid_t foreground = 0;
  if (number == SIGKILL) e->init_killed = true;
  if (e->ended) {
    slay_signal_tree(e, number);
    return;
  }
  if (e->leader > 0 && kill(-e->leader, number) != 0 && errno != ESRCH) say("cannot signal", errno);
  if (e->pty && e->out.fd >= 0 && ioctl(e->out.fd, TIOCGPGRP, &foreground) == 0 && foreground > 0 && foreground != e->leader &&
      kill(-foreground, number) != 0 && errno != ESRCH)
    say("cannot signal", errno);
}

bool exec_kill(const struct frame *frame) {
  if (frame->length != KILL_BYTES || frame->body[0] > KILL_TREE || frame->body[1] < 1 || frame->body[1] > 64) return false;
  struct exec *e = exec_find(frame->id);
  if (e == NULL) return true;
  if (frame->body[0] == KILL_TREE) stop(e, REASON_KILLED, frame->body[1], get_u32(frame->body + 4));
  else signal_groups(e, frame->body[1]);
  return true;
}

bool exec_reaped(pid_t pid, int status, const struct rusage *used) {
  EACH_EXEC(e) {
    if (e->supervisor == pid) {
      /* A stopped one can't be trusted to go on: it shares the tenant's uid. */
      if (WIFSTOPPED(status)) {
        if (kill(pid, SIGKILL) != 0 && errno != ESRCH) say("cannot kill a supervisor", errno);
      } else {
        ending_supervisor_gone(e, used);
      }
      return true;
    }
    if (e->leader == pid && !e->ended && !WIFSTOPPED(status)) {
      ending_leader_reaped(e, status, used);
      return true;
    }
  }
  return false;
}

static void on_report(void *owner, short events) {
  (void)events;
  ending_read_report(owner);
}

static void on_out(void *owner, short events) {
  (void)events;
  struct exec *e = owner;
  if (e->exit_ready || e->acked) output_discard(&e->out);
  else output_read(e, &e->out, false);
}

static void on_err(void *owner, short events) {
  (void)events;
  struct exec *e = owner;
  if (e->exit_ready || e->acked) output_discard(&e->err);
  else output_read(e, &e->err, true);
}

static void on_in(void *owner, short events) {
  struct exec *e = owner;
  if (e->in.taken == e->in.received && (events & (POLLERR | POLLHUP)) != 0) {
    input_close(e);
    e->in.closed = e->in.dirty = true;
  } else {
    input_write(e);
  }
}

void exec_watch(void) {
  EACH_EXEC(e) {
    loop_watch(e->report, POLLIN, on_report, e);
    input_watch(e, on_in);
    /* Without room nothing is polled for: a hang-up would wake the loop again and again. */
    if (e->exit_ready || e->acked || output_has_room(&e->output)) {
      loop_watch(e->out.fd, POLLIN, on_out, e);
      loop_watch(e->err.fd, POLLIN, on_err, e);
    } else {
      e->idle_from = limit_us(); /* it waits for the reader, not the other way round */
    }
    if (room_is_waiting(e)) loop_wake(e->retry_at);
    if (exec_is_running(e)) {
      loop_wake(limit_due(e->wall_until));
      if (e->idle_us != 0) loop_wake(limit_due(e->idle_from + e->idle_us));
    }
    loop_wake(ending_due(e));
  }
  loop_wake(slay_due());
}

static void apply_limits(struct exec *e) {
  uint64_t now = limit_us();
  if (!exec_is_running(e)) return;
  if (now >= e->wall_until) {
    e->wall_until = NEVER;
    stop(e, REASON_WALL, SIGTERM, e->grace_ms);
  } else if (e->idle_us != 0 && now - e->idle_from >= e->idle_us) {
    e->idle_us = 0;
    stop(e, REASON_IDLE, SIGTERM, e->grace_ms);
  }
}

static void free_slot(struct exec *e) {
  input_close(e);
  source_close(&e->out);
  source_close(&e->err);
  close_one(&e->report);
  memory_rest(slot_memory(e), SLOT_BYTES);
  e->id = 0;
}

void exec_tick(void) {
  EACH_EXEC(e) {
    apply_limits(e);
    if (room_is_waiting(e) && e->supervisor == 0 && now_us() >= e->retry_at) started_or_not(e, room_retry(e));
  }
  slay_tick();
  EACH_EXEC(e) {
    ending_settle(e);
    bool told = e->gone_sent || !e->exit_sent || !control_is_up();
    if (e->acked && e->gone && e->supervisor == 0 && told) free_slot(e);
  }
}
