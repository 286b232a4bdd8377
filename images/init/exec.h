/* One command and all that belongs to it, and the table of them. Fields are grouped by the module that owns them:
 * output.c, input.c, spawn.c, ending.c, slay.c, room.c; telling.c decides what the daemon hears of it. */
#ifndef CLOISTER_EXEC_H
#define CLOISTER_EXEC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "frame.h"

/* A descriptor that output is read from; on a PTY `out` is the master and `err` is closed. */
struct source {
  int fd;        /* -1: at its end */
  int64_t owed;  /* bytes that were in it when the leader ended */
  bool settled;  /* it was found empty after the leader ended */
  bool enlarged; /* its pipe was made larger */
};

struct output {
  uint8_t *ring; /* WINDOW_BYTES: offset modulo its size */
  uint8_t *tags; /* a bit for each byte of the ring: it is stderr's */
  uint64_t credited, sent, end, stderr_bytes;
};

struct input {
  uint8_t *ring; /* STDIN_WINDOW_BYTES */
  int fd;
  uint64_t received, taken;
  bool wanted; /* a pipe or terminal, not closed yet */
  bool eof;    /* the daemon sends no more */
  bool closed; /* the command takes no more */
  bool dirty;  /* a STDIN_CREDIT is due */
};

enum slay_phase { SLAY_NONE, SLAY_TERM, SLAY_KILL, SLAY_FREEZE };
struct slay {
  enum slay_phase phase;
  uint8_t signal;       /* the first one */
  bool hangup;          /* it has a terminal */
  uint16_t passes;      /* in this phase */
  uint16_t fresh_passes; /* passes in a row that met processes never hit before */
  pid_t group; /* the last one that was killed as a whole */
  uint16_t alive, fresh, moving; /* counted by the last pass */
  uint64_t since_us;    /* when SIGKILL begins, or began */
  uint64_t next_us;
};

struct exec {
  uint32_t id; /* 0: the slot is free */

  pid_t supervisor; /* 0 once reaped */
  pid_t leader;     /* 0 before it is known */
  int report;       /* records of the supervisor */
  bool pty;
  bool started, ended, lost, gone;
  bool init_killed; /* init sent SIGKILL into the tree */
  int leader_status;
  struct source out, err;
  struct input in;
  struct output output;

  bool held;      /* waits for FLAG_REWIND after a reconnect */
  bool tell_started, exit_ready, exit_sent, gone_sent, acked;
  uint8_t reason;
  uint32_t stage;
  uint16_t error;
  uint64_t user_us, system_us, max_rss_kib, duration_us;
  uint32_t lingering;
  uint64_t drain_until; /* NEVER until the leader ended */
  uint64_t wait_until;  /* EXIT of a killed tree waits so long for its last process */

  uint64_t begun;        /* limit clock */
  uint64_t wall_until;   /* limit clock, NEVER: none */
  uint64_t idle_us, idle_from;
  uint32_t grace_ms;

  struct slay slay;

  uint8_t *waiting_body; /* a START that waits for a process slot */
  uint32_t waiting_bytes;
  uint8_t attempts;
  uint64_t retry_at, give_up_at;
};

extern struct exec execs[MAX_EXECS];

#define EACH_EXEC(e) \
  for (struct exec *e = execs; e < execs + MAX_EXECS; e++) \
    if (e->id != 0)

struct exec *exec_find(uint32_t id);
static inline bool exec_is_running(const struct exec *e) { return !e->ended && !e->exit_ready; }

/* Frames of the daemon; false: a violation. */
bool exec_start(const struct frame *frame);
bool exec_stdin(const struct frame *frame);
bool exec_kill(const struct frame *frame);
bool exec_credit(const struct frame *frame);
bool exec_resize(const struct frame *frame);
bool exec_ack(const struct frame *frame);

void exec_watch(void);
void exec_tick(void);   /* what is due, then frees what is forgotten */
/* A child of PID 1 that ended or stopped; false: none of an exec. */
bool exec_reaped(pid_t pid, int status, const struct rusage *used);
bool exec_open(void);

#endif
