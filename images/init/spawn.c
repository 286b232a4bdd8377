/* Owns the descriptors between PID 1 and a command, and the fork. */
#define _GNU_SOURCE
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "descriptors.h"
#include "frame.h"
#include "memory.h"
#include "pty.h"
#include "say.h"
#include "supervisor.h"

enum { OOM_SCORE = 900 };

static int oom_fd = -1;
static char oom_own[8];
static size_t oom_own_bytes;
static bool adopts;
static pid_t *leaders; /* one for each slot of the table */

bool spawn_open(void) {
  oom_fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
  ssize_t got = oom_fd < 0 ? -1 : pread(oom_fd, oom_own, sizeof oom_own, 0);
  if (got > 0) oom_own_bytes = (size_t)got;
  else say("cannot read oom_score_adj; commands keep that of init", errno);
  /* For PID 1 itself it changes nothing. gVisor has it not. */
  adopts = prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0;
  leaders = memory_take_shared(MAX_EXECS * sizeof *leaders);
  return leaders != NULL;
}

bool spawn_adopts(void) { return adopts; }

pid_t spawn_leader(const struct exec *e) { return leaders[e - execs]; }

static void oom_score(const char *text, size_t bytes) {
  if (oom_own_bytes > 0 && pwrite(oom_fd, text, bytes, 0) < 0) say("cannot set oom_score_adj", errno);
}

/* A command inherits its score from PID 1, which carries it for the moment of the fork. Were it written by the
 * command itself, it would have to be dumpable before its exec, and another process of the tenant could then reach
 * the status pipe through /proc and forge the outcome. */
static pid_t fork_as_command(uint32_t score) {
  char text[4];
  size_t at = sizeof text;
  if (score == 0) score = OOM_SCORE;
  for (; score > 0; score /= 10) text[--at] = (char)('0' + score % 10);
  oom_score(text + at, sizeof text - at);
  pid_t pid = fork();
  int error = errno;
  if (pid != 0) oom_score(oom_own, oom_own_bytes);
  errno = error;
  return pid;
}

static int open_pipes(struct exec *e, struct launch *launch, bool wants_stdin) {
  int in[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1};
  bool ok = pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0 && set_nonblocking(out[0]) && set_nonblocking(err[0]);
  if (ok && wants_stdin) ok = pipe2(in, O_CLOEXEC) == 0 && set_nonblocking(in[1]);
  else if (ok) ok = (in[0] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;
  int error = ok ? 0 : errno;
  e->in.fd = in[1];
  e->out.fd = out[0];
  e->err.fd = err[0];
  launch->in = in[0];
  launch->out = out[1];
  launch->err = err[1];
  return error;
}

static int open_terminal(struct exec *e, struct launch *launch, const uint8_t *body) {
  int error = pty_open(get_u16(body + 2), get_u16(body + 4), &e->out.fd, &launch->in);
  if (error != 0) return error;
  launch->out = launch->err = launch->in;
  e->in.fd = fcntl(e->out.fd, F_DUPFD_CLOEXEC, 0);
  return e->in.fd >= 0 ? 0 : errno;
}

static void close_ends(int *in, int *out, int *err) {
  if (*out == *in) *out = -1;
  if (*err == *in) *err = -1;
  close_one(in);
  close_one(out);
  close_one(err);
}

int spawn(struct exec *e, const uint8_t *body, struct pages pages) {
  struct launch launch = {.body = body, .pages = pages.memory, .page_bytes = pages.bytes, .in = -1, .out = -1, .err = -1};
  int report[2] = {-1, -1};
  e->stage = e->pty ? STAGE_PTY : STAGE_PIPE;
  int error = e->pty ? open_terminal(e, &launch, body) : open_pipes(e, &launch, body[0] == 1);
  if (error == 0 && (pipe2(report, O_CLOEXEC) != 0 || !set_nonblocking(report[0]))) {
    e->stage = STAGE_PIPE;
    error = errno;
  }
  if (error == 0) {
    launch.report = report[1];
    launch.leader = &leaders[e - execs];
    *launch.leader = 0;
    e->supervisor = fork_as_command(get_u32(body + 24));
    if (e->supervisor == 0) supervisor_main(&launch);
    if (e->supervisor < 0) {
      e->supervisor = 0;
      e->stage = STAGE_FORK;
      error = errno;
    }
  }
  close_ends(&launch.in, &launch.out, &launch.err);
  close_one(&report[1]);
  e->report = report[0];
  if (error == 0) return 0;
  close_ends(&e->in.fd, &e->out.fd, &e->err.fd);
  close_one(&e->report);
  return error;
}
