/* Paths resolved as one does at first: ask where it leads, and open it if that is inside. For tests only: what the attack on the
 * file worker must catch. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static long check_then_open(int root, const char *path, const void *how) {
  static char inside[PATH_MAX];
  char name[PATH_MAX + 64], real[PATH_MAX];
  uint64_t flags;
  memcpy(&flags, how, sizeof flags);
  snprintf(name, sizeof name, "/proc/self/fd/%d", root);
  if (inside[0] == '\0' && realpath(name, inside) == NULL) return -1;
  snprintf(name, sizeof name, "/proc/self/fd/%d/%s", root, path);
  if (realpath(name, real) == NULL) return -1;
  if (strncmp(real, inside, strlen(inside)) != 0) {
    errno = EXDEV;
    return -1;
  }
  return openat(root, path, (int)flags);
}

#define syscall(number, root, path, how, size) check_then_open(root, path, how)
#include "../file-resolve.c"
