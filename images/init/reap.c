/* Owns the signalfd. The kernel drops every signal without a handler that is sent to a PID 1 from inside its
 * namespace; so only the two that are read here are ever blocked, and a tenant can't fill a queue. */
#define _GNU_SOURCE
#include "reap.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exec.h"
#include "helper.h"
#include "loop.h"
#include "say.h"
#include "slay.h"

static int fd = -1;

bool reap_open(void) {
  sigset_t handled;
  sigemptyset(&handled);
  sigaddset(&handled, SIGCHLD);
  sigaddset(&handled, SIGTERM);
  if (sigprocmask(SIG_SETMASK, &handled, NULL) != 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR) return false;
  fd = signalfd(-1, &handled, SFD_NONBLOCK | SFD_CLOEXEC);
  return fd >= 0;
}

void reap_children(void) {
  for (;;) {
    int status = 0;
    struct rusage used;
    pid_t pid = wait4(-1, &status, WNOHANG | WUNTRACED, &used);
    if (pid < 0 && errno == EINTR) continue;
    if (pid <= 0) return;
    if (exec_reaped(pid, status, &used) || helper_reaped(pid, status)) continue;
    slay_strays(); /* where one was reparented, others may be */
  }
}

/* Only the engine's stop counts. A tenant's kill() carries its pid; its sigqueue() may carry any pid, but never the
 * code of kill(). */
static bool is_from_outside(const struct signalfd_siginfo *s) { return s->ssi_code == SI_USER && s->ssi_pid == 0; }

static void on_signal(void *owner, short events) {
  (void)owner;
  (void)events;
  struct signalfd_siginfo signals[8];
  ssize_t got = read(fd, signals, sizeof signals);
  for (ssize_t i = 0; i < got / (ssize_t)sizeof *signals; i++)
    if (signals[i].ssi_signo == SIGTERM && is_from_outside(&signals[i])) _exit(0); /* the kernel ends the rest */
  reap_children();
}

void reap_watch(void) { loop_watch(fd, POLLIN, on_signal, NULL); }
