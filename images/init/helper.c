/* Owns the pids of the helpers and the back-off of their returns. */
#define _GNU_SOURCE
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "courier.h"
#include "descriptors.h"
#include "loop.h"
#include "relay.h"
#include "report.h"
#include "say.h"
#include "worker.h"

enum { FIRST_GAP_US = 20 * 1000, LAST_GAP_US = 2000 * 1000, STEADY_US = 5000 * 1000, EXIT_BROKEN = 125 };

static struct {
  pid_t pid;
  uint64_t born, retry_at, gap;
} helpers[HELPERS];
static int workspace = -1, listener = -1;

pid_t helper_pid(int helper) { return helpers[helper].pid; }

void helper_set_pid(enum helper helper, pid_t pid) { helpers[helper].pid = pid; }

void helper_become(const char *name, int third, int fourth) {
  sigset_t all;
  sigfillset(&all);
  if (sigprocmask(SIG_SETMASK, &all, NULL) != 0 || prctl(PR_SET_NAME, name, 0, 0, 0) != 0 || setpriority(PRIO_PROCESS, 0, 0) != 0)
    _exit(EXIT_BROKEN);
  /* Both out of the way first: either may have the other's number. */
  int a = fcntl(third, F_DUPFD, 5), b = fourth < 0 ? -1 : fcntl(fourth, F_DUPFD, 5);
  if (a < 0 || dup2(a, 3) < 0 || (fourth >= 0 && (b < 0 || dup2(b, 4) < 0))) _exit(EXIT_BROKEN);
  close_from(fourth < 0 ? 4 : 5);
}

static pid_t start_worker(void) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return -1;
  pid_t pid = set_nonblocking(ends[0]) ? fork() : -1;
  if (pid == 0) {
    helper_become("files", ends[1], workspace);
    worker_main(3, 4);
  }
  int error = errno;
  close_one(&ends[1]);
  if (pid > 0) courier_attach(ends[0]);
  else close_one(&ends[0]);
  errno = error;
  return pid;
}

static pid_t start_relay(void) {
  pid_t pid = fork();
  if (pid != 0) return pid;
  helper_become("egress", listener, -1);
  relay_main(3);
}

static void start(enum helper helper) {
  uint64_t now = now_us();
  if (helper == HELPER_RELAY && listener < 0) return;
  pid_t pid = helper == HELPER_WORKER ? start_worker() : start_relay();
  if (pid > 0) {
    helpers[helper].pid = pid;
    helpers[helper].born = now;
    return;
  }
  if (errno != EAGAIN) say("cannot fork a helper", errno);
  helpers[helper].gap = helpers[helper].gap == 0 ? FIRST_GAP_US : earlier(helpers[helper].gap * 2, LAST_GAP_US);
  helpers[helper].retry_at = now + helpers[helper].gap;
}

void helper_open(int workspace_fd, int listen_fd) {
  workspace = workspace_fd;
  listener = listen_fd;
  start(HELPER_WORKER);
  start(HELPER_RELAY);
}

static void ended(enum helper helper) {
  uint64_t now = now_us();
  helpers[helper].pid = 0;
  if (helper == HELPER_PROBE) {
    report_probe_ended();
    return;
  }
  if (helper == HELPER_WORKER) courier_detach();
  bool steady = now - helpers[helper].born > STEADY_US;
  helpers[helper].retry_at = now + (steady ? 0 : helpers[helper].gap);
  helpers[helper].gap = steady || helpers[helper].gap == 0 ? FIRST_GAP_US : earlier(helpers[helper].gap * 2, LAST_GAP_US);
}

bool helper_reaped(pid_t pid, int status) {
  for (int helper = 0; helper < HELPERS; helper++) {
    if (helpers[helper].pid != pid) continue;
    if (!WIFSTOPPED(status)) ended(helper);
    else if (kill(pid, SIGKILL) != 0 && errno != ESRCH) say("cannot kill a helper", errno);
    return true;
  }
  return false;
}

void helper_tick(void) {
  for (int helper = 0; helper < HELPER_PROBE; helper++) {
    if (helpers[helper].pid != 0 || (helper == HELPER_RELAY && listener < 0)) continue;
    if (now_us() >= helpers[helper].retry_at) start(helper);
    if (helpers[helper].pid == 0) loop_wake(helpers[helper].retry_at);
  }
}
