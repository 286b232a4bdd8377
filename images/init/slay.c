/* Owns the killing. It needs no fork, no memory and no cooperation of a supervisor. A tree that makes new processes
 * faster than they are hit is frozen first: stopped processes keep their slots, so a fork bomb starves; if even that
 * fails, everything but PID 1 goes. */
#define _GNU_SOURCE
#include "slay.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "room.h"
#include "say.h"
#include "tree.h"

enum {
  FREEZE_PASSES = 10,
  FRESH_PASSES = 6,               /* killing passes that met new processes, before the last resort */
  STUCK_US = 3000 * 1000,         /* or so long with something left that can run */
  EXTRA_WAIT_US = 3000 * 1000,
  FIRST_GAP_US = 1000, LAST_GAP_US = 128 * 1000,
  HANGUPS = 4, HANGUP_GAP_US = 100 * 1000,
  LARGE_TREE = 8,
  HIT_BITS = 65536
};

static struct slay strays;
static uint8_t hit[HIT_BITS / 8]; /* pids that were sent SIGKILL since killing began */
static uint64_t last_resort_at;

static void send(pid_t pid, int number) {
  if (kill(pid, number) != 0 && errno != ESRCH) say("cannot signal", errno);
}

static bool any_active(void) {
  if (strays.phase != SLAY_NONE) return true;
  EACH_EXEC(e)
    if (e->slay.phase != SLAY_NONE) return true;
  return false;
}

static void begin_kill(struct slay *s, uint64_t at) {
  s->phase = SLAY_KILL;
  s->passes = s->fresh_passes = 0;
  s->since_us = s->next_us = at;
}

/* Most of what a command started is in its leader's group: the list of processes, which takes time on a busy host, is
 * needed for the rest only. */
static void begin_kill_of(struct exec *e, uint64_t at) {
  begin_kill(&e->slay, at);
  if (e->leader <= 1 || e->ended) return;
  e->init_killed = true;
  send(-e->leader, SIGKILL);
}

void slay(struct exec *e, uint8_t reason, uint8_t signal_number, uint32_t grace_ms) {
  uint64_t now = now_us(), end = now + (uint64_t)grace_ms * 1000u;
  if (!e->ended && e->reason == REASON_SELF) e->reason = reason;
  if (e->gone || e->lost) return;
  if (!any_active()) memset(hit, 0, sizeof hit);
  if (e->slay.phase == SLAY_NONE || (e->slay.phase == SLAY_TERM && end < e->slay.since_us)) {
    if (grace_ms == 0) begin_kill_of(e, now);
    else e->slay = (struct slay){.phase = SLAY_TERM, .signal = signal_number, .hangup = e->pty, .since_us = end, .next_us = now};
    e->wait_until = end + EXTRA_WAIT_US;
  }
}

void slay_strays(void) {
  if (!any_active()) memset(hit, 0, sizeof hit);
  begin_kill(&strays, now_us());
}

bool slay_has_strays(void) { return strays.phase != SLAY_NONE; }

bool slay_is_killing(void) {
  EACH_EXEC(e)
    if (e->slay.phase == SLAY_KILL || e->slay.phase == SLAY_FREEZE) return true;
  return false;
}

uint32_t slay_count(const struct exec *e) {
  uint32_t processes = tree_scan(), found = 0;
  for (uint32_t i = 0; i < processes; i++) found += tree[i].alive && tree[i].owner == e - execs;
  return found;
}

void slay_signal_tree(const struct exec *e, int signal_number) {
  uint32_t processes = tree_scan();
  for (uint32_t i = 0; i < processes; i++)
    if (tree[i].owner == e - execs) send(tree[i].pid, signal_number);
}

void slay_largest(void) {
  uint16_t sizes[MAX_EXECS] = {0};
  uint32_t processes = tree_scan();
  struct exec *largest = NULL;
  for (uint32_t i = 0; i < processes; i++)
    if (tree[i].owner >= 0) sizes[tree[i].owner]++;
  if (slay_is_killing()) return;
  EACH_EXEC(e) {
    if (sizes[e - execs] >= LARGE_TREE && (largest == NULL || sizes[e - execs] > sizes[largest - execs])) largest = e;
  }
  if (largest != NULL) slay(largest, REASON_PIDS, SIGKILL, 0);
}

static void last_resort(uint64_t now) {
  last_resort_at = now;
  EACH_EXEC(e)
    if (!e->ended && e->reason == REASON_SELF && !room_is_waiting(e)) e->reason = REASON_PIDS;
  if (kill(-1, SIGKILL) != 0 && errno != ESRCH) say("cannot kill everything", errno);
}

static void act(struct slay *s, const struct process *p) {
  if (s->phase == SLAY_TERM) {
    if (s->passes == 0) send(p->pid, s->signal);
    if (s->hangup) send(p->pid, SIGHUP);
    send(p->pid, SIGCONT);
  } else if (s->phase == SLAY_FREEZE) {
    if (p->state == 'T' || !p->alive) return;
    s->moving++;
    send(p->pid, SIGSTOP);
  } else if (s->phase == SLAY_KILL && p->alive) {
    uint32_t bit = (uint32_t)p->pid % HIT_BITS;
    s->alive += p->state != 'D';
    if ((hit[bit / 8] >> (bit % 8) & 1) == 0) s->fresh++;
    hit[bit / 8] |= (uint8_t)(1u << (bit % 8));
    send(p->pid, SIGKILL);
    /* A group is killed at once, before it can fork again. It never holds processes of two execs, for each leader
     * begins a session; that of PID 1 holds its supervisors. */
    if (p->group > 1 && p->group != s->group && p->group != getpgrp()) send(-p->group, SIGKILL);
    s->group = p->group;
  }
}

static void advance(struct slay *s, uint64_t now) {
  s->passes++;
  if (s->phase == SLAY_TERM) {
    /* An interactive shell ignores SIGTERM and heeds its terminal's end; between two commands it may miss it. */
    bool again = s->hangup && s->passes < HANGUPS;
    s->next_us = again ? earlier(now + HANGUP_GAP_US, s->since_us) : s->since_us;
  } else if (s->phase == SLAY_FREEZE) {
    if (s->moving == 0 || s->passes >= FREEZE_PASSES) {
      s->phase = SLAY_KILL;
      s->passes = 0;
    }
    s->next_us = now;
  } else {
    bool again = s->passes > 1 && s->fresh > 0;
    if (again) s->fresh_passes++;
    if (s->alive > 0 && (s->fresh_passes >= FRESH_PASSES || now - s->since_us > STUCK_US) && now - last_resort_at > STUCK_US) last_resort(now);
    if (again) {
      s->phase = SLAY_FREEZE;
      s->passes = 0;
      s->next_us = now;
    } else {
      uint64_t gap = (uint64_t)FIRST_GAP_US << (s->passes < 8 ? s->passes - 1 : 7);
      s->next_us = now + (gap < LAST_GAP_US ? gap : LAST_GAP_US);
    }
  }
}

static bool prepare(struct slay *s, uint64_t now) {
  if (s->phase == SLAY_NONE || s->next_us > now) return false;
  s->group = 0;
  s->alive = s->fresh = s->moving = 0;
  return true;
}

uint64_t slay_due(void) {
  uint64_t due = strays.phase == SLAY_NONE ? NEVER : strays.next_us;
  EACH_EXEC(e)
    if (e->slay.phase != SLAY_NONE) due = earlier(due, e->slay.next_us);
  return due;
}

void slay_tick(void) {
  static bool acting[MAX_EXECS];
  uint64_t now = now_us();
  if (slay_due() > now) return;
  bool sweeping = prepare(&strays, now), unknown = false;
  memset(acting, 0, sizeof acting);
  EACH_EXEC(e) {
    if (e->slay.phase == SLAY_TERM && e->slay.passes > 0 && now >= e->slay.since_us) begin_kill_of(e, now);
    acting[e - execs] = prepare(&e->slay, now);
  }

  uint32_t processes = tree_scan();
  for (uint32_t i = 0; i < processes; i++) {
    const struct process *p = &tree[i];
    if (p->owner >= 0 && acting[p->owner]) {
      act(&execs[p->owner].slay, p);
      execs[p->owner].init_killed |= execs[p->owner].slay.phase == SLAY_KILL;
    } else if (p->owner == OWNER_STRAY && sweeping) act(&strays, p);
    else if (p->owner == OWNER_UNKNOWN) unknown = true;
  }
  now = now_us();
  EACH_EXEC(e)
    if (acting[e - execs]) advance(&e->slay, now);
  if (!sweeping) return;
  bool counted = strays.phase == SLAY_KILL;
  advance(&strays, now);
  if (counted && strays.alive == 0 && !unknown) strays.phase = SLAY_NONE;
}
