/* Runs the file worker on a directory, with descriptor 3 as its socket: for tests.
 * worker-harness DIR [UID [FSIZE]]: as that uid and non-dumpable, as PID 1 of a sandbox starts it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../worker.h"

int main(int argc, char **argv) {
  if (argc < 2) return 64;
  if (argc > 3) {
    rlim_t bytes = (rlim_t)strtoull(argv[3], NULL, 10);
    struct rlimit limit = {.rlim_cur = bytes, .rlim_max = bytes};
    if (setrlimit(RLIMIT_FSIZE, &limit) < 0) return 65;
  }
  int workspace = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (workspace < 0) {
    perror(argv[1]);
    return 66;
  }
  if (argc > 2) {
    uid_t uid = (uid_t)strtoul(argv[2], NULL, 10);
    if (setgid(uid) < 0 || setuid(uid) < 0) return 67;
  }
  if (prctl(PR_SET_DUMPABLE, 0) < 0) return 68;
  worker_main(3, workspace);
}
