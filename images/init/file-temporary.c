#define _GNU_SOURCE
#include "file-temporary.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MAX_TRIES = 8, NOREPLACE = 1 };

#define PREFIX ".cloister-"
#define NEW_PREFIX PREFIX "new-"

bool is_temporary(const char *name) { return strncmp(name, PREFIX, strlen(PREFIX)) == 0; }

bool temporary_is_new(const char *name) { return strncmp(name, NEW_PREFIX, strlen(NEW_PREFIX)) == 0; }

static int make_name(const char *prefix, char out[TEMPORARY_NAME_BYTES]) {
  uint64_t random;
  ssize_t size;
  do size = getrandom(&random, sizeof random, 0);
  while (size < 0 && errno == EINTR);
  if (size < 0) return -errno;
  if ((size_t)size != sizeof random) return -EIO;
  snprintf(out, TEMPORARY_NAME_BYTES, "%s%016llx", prefix, (unsigned long long)random);
  return 0;
}

int temporary_name(char out[TEMPORARY_NAME_BYTES]) { return make_name(PREFIX, out); }

int temporary_create(int dir, char out[TEMPORARY_NAME_BYTES], bool is_new) {
  for (int i = 0; i < MAX_TRIES; i++) {
    int error = make_name(is_new ? NEW_PREFIX : PREFIX, out);
    if (error < 0) return error;
    int fd = openat(dir, out, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0600);
    if (fd >= 0) return fd;
    if (errno != EEXIST) return -errno;
  }
  return -EEXIST;
}

int temporary_create_directory(int dir, char out[TEMPORARY_NAME_BYTES]) {
  for (int i = 0; i < MAX_TRIES; i++) {
    int error = temporary_name(out);
    if (error < 0) return error;
    if (mkdirat(dir, out, 0700) == 0) return 0;
    if (errno != EEXIST) return -errno;
  }
  return -EEXIST;
}

/* For a file system without RENAME_NOREPLACE. A link can't replace; a directory, which can't be linked, is
 * renamed after a look, and rename itself replaces nothing but an empty directory there. */
static int rename_exclusive_by_link(int from_dir, const char *from, int to_dir, const char *to) {
  struct stat st;
  if (fstatat(from_dir, from, &st, AT_SYMLINK_NOFOLLOW) < 0) return -errno;
  if (!S_ISDIR(st.st_mode)) {
    if (linkat(from_dir, from, to_dir, to, 0) < 0) return -errno;
    return unlinkat(from_dir, from, 0) < 0 ? -errno : 0;
  }
  if (fstatat(to_dir, to, &st, AT_SYMLINK_NOFOLLOW) == 0) return -EEXIST;
  if (errno != ENOENT) return -errno;
  return renameat(from_dir, from, to_dir, to) < 0 ? -errno : 0;
}

int rename_entry(int from_dir, const char *from, int to_dir, const char *to, bool exclusive) {
  if (!exclusive) return renameat(from_dir, from, to_dir, to) < 0 ? -errno : 0;
  if (syscall(SYS_renameat2, from_dir, from, to_dir, to, NOREPLACE) == 0) return 0;
  if (errno != ENOSYS && errno != EINVAL) return -errno;
  return rename_exclusive_by_link(from_dir, from, to_dir, to);
}
