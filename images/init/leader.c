/* Owns the last steps before a command runs: session, terminal, signals, directory, PATH. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "descriptors.h"
#include "frame.h"
#include "memory.h"
#include "record.h"
#include "supervisor.h"

enum { STATUS = 3, EXIT_NOT_STARTED = 127 };

static _Noreturn void fail(uint32_t stage, int error) {
  struct record record = {.kind = RECORD_FAILED, .value = stage, .status = error};
  if (write(STATUS, &record, sizeof record) != (ssize_t)sizeof record) _exit(EXIT_NOT_STARTED);
  _exit(EXIT_NOT_STARTED);
}

static void reset_signals(void) {
  /* Not every number is a signal that may be set; the others are as they should be. */
  for (int number = 1; number <= SIGRTMAX; number++) (void)signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  if (sigprocmask(SIG_SETMASK, &none, NULL) != 0) fail(STAGE_EXEC, errno);
}

static const char *path_of(char *const *env) {
  for (; *env != NULL; env++)
    if (strncmp(*env, "PATH=", 5) == 0) return *env + 5;
  return "/usr/local/bin:/usr/bin:/bin";
}

/* execvp, but with the PATH of the command's own environment, and without handing a file that is no program to a
 * shell. Returns the errno to report. */
static int run(char *const *argv, char *const *env) {
  const char *name = argv[0];
  size_t name_bytes = strlen(name);
  if (name_bytes == 0) return ENOENT;
  if (strchr(name, '/') != NULL) {
    execve(name, argv, env);
    return errno;
  }
  if (name_bytes > NAME_MAX) return ENAMETOOLONG;
  int error = ENOENT;
  for (const char *at = path_of(env), *end;; at = end + 1) {
    char file[PATH_MAX];
    end = strchrnul(at, ':');
    size_t bytes = (size_t)(end - at);
    if (bytes + 1 + name_bytes + 1 <= sizeof file) {
      memcpy(file, at, bytes);
      /* An empty entry is the current directory. */
      if (bytes > 0) file[bytes++] = '/';
      memcpy(file + bytes, name, name_bytes + 1);
      execve(file, argv, env);
      if (errno == EACCES) error = EACCES;
      else if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP && errno != ENAMETOOLONG) return errno;
    }
    if (*end == '\0') return error;
  }
}

static const char *next(const char **at) {
  const char *text = *at;
  *at += strlen(text) + 1;
  return text;
}

_Noreturn void leader_main(const struct launch *launch, int status) {
  *launch->leader = getpid();
  if (dup2(status, STATUS) < 0 || fcntl(STATUS, F_SETFD, FD_CLOEXEC) != 0) _exit(EXIT_NOT_STARTED);
  close_from(STATUS + 1);
  if (setsid() < 0) fail(STAGE_EXEC, errno);
  if (launch->body[1] != 0 && ioctl(0, TIOCSCTTY, 0) != 0) fail(STAGE_PTY, errno);
  reset_signals();
  /* The daemon lets PID 1 run before all others, or it would wait seconds among the processes of a fork bomb. */
  if (setpriority(PRIO_PROCESS, 0, 0) != 0) fail(STAGE_EXEC, errno);
  umask(022);

  size_t argc = get_u16(launch->body + 6), envc = get_u16(launch->body + 8);
  const char **argv = (const char **)(void *)memory_take((argc + envc + 2) * sizeof *argv);
  if (argv == NULL) fail(STAGE_EXEC, errno);
  const char **env = argv + argc + 1, *at = (const char *)launch->body + 32;
  const char *cwd = next(&at);
  for (size_t i = 0; i < argc; i++) argv[i] = next(&at);
  for (size_t i = 0; i < envc; i++) env[i] = next(&at);
  if (chdir(cwd) != 0) fail(STAGE_CWD, errno);
  fail(STAGE_EXEC, run((char *const *)argv, (char *const *)env));
}
