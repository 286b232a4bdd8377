/* Owns the truth about an end. The first reason recorded stays; whatever else happens only adds facts. */
#include "ending.h"

#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "descriptors.h"
#include "input.h"
#include "outbox.h"
#include "output.h"
#include "reap.h"
#include "record.h"
#include "room.h"
#include "slay.h"
#include "spawn.h"

enum { EXIT_REPORT_BYTES = 64, TTY_BUFFER_BYTES = 64 * 1024, OOM_STATUS = 128 + SIGKILL };

static void close_sources(struct exec *e) {
  source_close(&e->out);
  source_close(&e->err);
}

static int64_t pending(const struct exec *e, const struct source *s) {
  int bytes = 0;
  if (s->fd < 0) return 0;
  /* What a terminal still holds can't be asked for, but it is never more than this. */
  if (e->pty || ioctl(s->fd, FIONREAD, &bytes) != 0) return TTY_BUFFER_BYTES;
  return bytes;
}

static void leader_ended(struct exec *e, int status) {
  e->ended = true;
  e->leader_status = status;
  e->duration_us = limit_us() - e->begun;
  e->drain_until = now_us() + DRAIN_MS * 1000u;
  e->out.owed = pending(e, &e->out);
  e->err.owed = pending(e, &e->err);
  e->out.settled = e->err.settled = false;
}

void ending_not_started(struct exec *e, uint32_t stage, int error) {
  e->reason = e->reason == REASON_SELF ? REASON_NOT_STARTED : e->reason;
  e->stage = stage;
  e->error = (uint16_t)error;
  leader_ended(e, 0);
  e->gone = true;
  e->slay.phase = SLAY_NONE;
  input_close(e);
  close_sources(e);
}

static void failed_to_start(struct exec *e, uint32_t stage, int error) {
  /* Its ends are made anew by the next attempt. */
  close_one(&e->report);
  close_one(&e->in.fd);
  close_one(&e->out.fd);
  close_one(&e->err.fd);
  if (e->reason != REASON_SELF || stage != STAGE_FORK || error != EAGAIN || !room_wait(e)) ending_not_started(e, stage, error);
}

static void take(struct exec *e, const struct record *r) {
  if (r->kind == RECORD_FAILED) {
    failed_to_start(e, r->value, r->status);
    return;
  }
  if (r->kind == RECORD_STARTED) {
    e->leader = (pid_t)r->value;
    e->started = e->tell_started = true;
    return;
  }
  e->user_us = r->user_us;
  e->system_us = r->system_us;
  e->max_rss_kib = r->max_rss_kib;
  if (r->kind == RECORD_ENDED && !e->ended) leader_ended(e, r->status);
  if (r->kind == RECORD_GONE || r->gone != 0) {
    e->gone = true;
    e->slay.phase = SLAY_NONE;
    /* Nobody can tell whose they are: with a command that ended goes what any left behind. */
    if (!spawn_adopts()) slay_strays();
  }
}

void ending_read_report(struct exec *e) {
  struct record record;
  while (e->report >= 0) {
    ssize_t got = read(e->report, &record, sizeof record);
    if (got < 0 && errno == EINTR) continue;
    if (got == (ssize_t)sizeof record) {
      take(e, &record);
      continue;
    }
    if (got < 0 && errno == EAGAIN) return;
    close_one(&e->report);
  }
}

static void add_usage(struct exec *e, const struct rusage *used) {
  e->user_us += (uint64_t)used->ru_utime.tv_sec * 1000000u + (uint64_t)used->ru_utime.tv_usec;
  e->system_us += (uint64_t)used->ru_stime.tv_sec * 1000000u + (uint64_t)used->ru_stime.tv_usec;
  if ((uint64_t)used->ru_maxrss > e->max_rss_kib) e->max_rss_kib = (uint64_t)used->ru_maxrss;
}

void ending_supervisor_gone(struct exec *e, const struct rusage *used) {
  e->supervisor = 0;
  ending_read_report(e);
  if (e->gone || room_is_waiting(e)) return;
  e->lost = true;
  e->leader = spawn_leader(e);
  /* Where its own status is lost too: everything it left is sent SIGKILL, and zero would look like success. */
  if (e->leader != 0 && !e->ended) e->leader_status = SIGKILL;
  e->slay.phase = SLAY_NONE;
  if (!e->ended) {
    add_usage(e, used);
    if (e->reason == REASON_SELF) e->reason = REASON_SUPERVISOR_LOST;
  }
  slay_strays();
}

void ending_leader_reaped(struct exec *e, int status, const struct rusage *used) {
  if (e->ended) return;
  e->leader_status = status;
  add_usage(e, used);
}

static bool is_drained(const struct exec *e, const struct source *s) {
  return s->fd < 0 || (s->settled && now_us() >= e->drain_until);
}

void ending_settle(struct exec *e) {
  if (e->lost && !e->gone && !slay_has_strays()) {
    reap_children(); /* its leader may be dead and not reaped: its status belongs into EXIT */
    if (slay_has_strays()) return;
    e->gone = true;
    if (!e->ended) leader_ended(e, e->leader_status);
  }
  if (e->gone) input_close(e);
  if (!e->ended || e->exit_ready) return;
  if (!e->acked) {
    if (now_us() >= e->drain_until) {
      output_read(e, &e->out, false);
      output_read(e, &e->err, true);
    }
    if (!is_drained(e, &e->out) || !is_drained(e, &e->err)) return;
  }
  if (!e->gone && (e->lost || (e->slay.phase != SLAY_NONE && now_us() < e->wait_until))) return;
  if (!e->gone) {
    e->lingering = slay_count(e);
    /* A scan may miss what its supervisor still has; EXIT without EXIT_GONE must mean that nothing is left. */
    if (e->lingering == 0) e->lingering = 1;
  }
  e->exit_ready = true;
  input_close(e);
  /* What lingers on a terminal is hung up; what lingers on a pipe is read and dropped, so that it neither blocks nor
   * dies of it. */
  if (e->pty || e->gone) close_sources(e);
}

uint64_t ending_due(const struct exec *e) {
  if (!e->ended || e->exit_ready) return NEVER;
  uint64_t due = now_us() < e->drain_until ? e->drain_until : NEVER;
  if (!e->gone && e->slay.phase != SLAY_NONE) due = earlier(due, e->wait_until);
  return due;
}

static bool is_oom_like(const struct exec *e) {
  if (e->reason != REASON_SELF) return false;
  if (WIFSIGNALED(e->leader_status)) return WTERMSIG(e->leader_status) == SIGKILL && !e->init_killed;
  return WIFEXITED(e->leader_status) && WEXITSTATUS(e->leader_status) == OOM_STATUS;
}

void ending_put_exit(const struct exec *e) {
  uint8_t *body = outbox_put(FRAME_EXIT, 0, e->id, EXIT_REPORT_BYTES);
  put_u32(body, (uint32_t)e->leader_status);
  body[4] = e->reason;
  body[5] = is_oom_like(e);
  put_u16(body + 6, e->reason == REASON_NOT_STARTED ? e->error : 0);
  put_u64(body + 8, e->output.end);
  put_u64(body + 16, e->output.stderr_bytes);
  put_u64(body + 24, e->user_us);
  put_u64(body + 32, e->system_us);
  put_u64(body + 40, e->max_rss_kib);
  put_u64(body + 48, e->duration_us);
  put_u32(body + 56, e->lingering);
  put_u32(body + 60, e->reason == REASON_NOT_STARTED ? e->stage : 0);
}
