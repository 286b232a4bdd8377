/* Owns the life of a supervisor. It holds nothing of the control connection: it shares the tenant's uid, so it may be
 * killed or stopped at any point, and PID 1 copes. It stays non-dumpable, so its pipe can't be opened through /proc. */
#define _GNU_SOURCE
#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "descriptors.h"
#include "memory.h"
#include "protocol.h"
#include "record.h"

enum { REPORT = 3, EXIT_BROKEN = 125 };

static uint64_t micros(struct timeval t) { return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_usec; }

static void tell(struct record record) {
  struct rusage used;
  if (record.kind >= RECORD_ENDED && getrusage(RUSAGE_CHILDREN, &used) == 0) {
    record.user_us = micros(used.ru_utime);
    record.system_us = micros(used.ru_stime);
    record.max_rss_kib = (uint64_t)used.ru_maxrss;
  }
  /* Without the record PID 1 sees the pipe's end and calls the supervisor lost. */
  if (write(REPORT, &record, sizeof record) != (ssize_t)sizeof record) _exit(EXIT_BROKEN);
}

/* Reaps until the first of: `leader` ended (true), nothing is left (false), with WNOHANG nothing is dead (true). Looks
 * before it reaps: when this process is killed in between, PID 1 inherits a leader whose status is still there. */
static bool reap(pid_t leader, int flags, int *status) {
  for (;;) {
    siginfo_t dead = {.si_pid = 0};
    if (waitid(P_ALL, 0, &dead, WEXITED | WNOWAIT | flags) != 0) {
      if (errno == EINTR) continue;
      return false;
    }
    if (dead.si_pid == 0) return true;
    int ended = 0;
    pid_t pid = wait4(dead.si_pid, &ended, WNOHANG, NULL);
    if (pid > 0 && pid == leader) {
      *status = ended;
      return true;
    }
  }
}

static void supervise(pid_t leader) {
  int status = 0;
  if (!reap(leader, 0, &status)) _exit(EXIT_BROKEN);
  bool left = reap(0, WNOHANG, &status);
  tell((struct record){.kind = RECORD_ENDED, .status = status, .gone = !left});
  if (!left) _exit(0);
  int ignored;
  while (reap(0, 0, &ignored)) continue;
  tell((struct record){.kind = RECORD_GONE});
}

_Noreturn void supervisor_main(const struct launch *launch) {
  int status[2];
  struct record said = {0};
  /* All but SIGKILL and SIGSTOP: `kill -TERM -1` in a script is no reason to lose a command. */
  sigset_t all;
  sigfillset(&all);
  if (sigprocmask(SIG_SETMASK, &all, NULL) != 0) _exit(EXIT_BROKEN);
  if (dup2(launch->in, 0) < 0 || dup2(launch->out, 1) < 0 || dup2(launch->err, 2) < 0 || dup2(launch->report, REPORT) < 0)
    _exit(EXIT_BROKEN);
  close_from(REPORT + 1);
  /* Where there is no such thing, PID 1 takes care of what is reparented to it. */
  (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  if (prctl(PR_SET_NAME, "supervisor", 0, 0, 0) != 0) _exit(EXIT_BROKEN);

  if (pipe2(status, O_CLOEXEC) != 0) {
    tell((struct record){.kind = RECORD_FAILED, .value = STAGE_PIPE, .status = errno});
    _exit(0);
  }
  pid_t leader = fork();
  if (leader == 0) leader_main(launch, status[1]);
  if (leader < 0) {
    tell((struct record){.kind = RECORD_FAILED, .value = STAGE_FORK, .status = errno});
    _exit(0);
  }
  /* The command's output must end with the command. */
  for (int fd = 0; fd < REPORT; fd++)
    if (close(fd) != 0) _exit(EXIT_BROKEN);
  close_one(&status[1]);
  memory_return(launch->pages, launch->page_bytes);

  ssize_t got;
  do got = read(status[0], &said, sizeof said);
  while (got < 0 && errno == EINTR);
  close_one(&status[0]);
  if (got == (ssize_t)sizeof said) {
    int ignored;
    while (reap(0, 0, &ignored)) continue;
    tell(said);
    _exit(0);
  }
  tell((struct record){.kind = RECORD_STARTED, .value = (uint32_t)leader});
  supervise(leader);
  _exit(0);
}
