#define _GNU_SOURCE
#include "file-resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "file-walk.h"
#include "protocol.h"

#ifndef SYS_openat2
#define SYS_openat2 437
#endif

struct how { /* struct open_how, which not every libc's headers have */
  uint64_t flags;
  uint64_t mode;
  uint64_t resolve;
};
enum { NO_XDEV = 0x01, NO_MAGICLINKS = 0x02, NO_SYMLINKS = 0x04, BENEATH = 0x08, MAX_TRIES = 32 };

static int workspace = -1;
#ifdef CLOISTER_FORCE_WALK
static bool is_openat2_missing = true;
#else
static bool is_openat2_missing = false;
#endif

void resolve_init(int workspace_fd) { workspace = workspace_fd; }

/* EAGAIN says that something was renamed meanwhile; the walk, which never says so, is the way out when a
 * tenant renames without pause. EPERM is how an old seccomp profile answers a call it does not know. */
static int open_beneath(int root, const char *path, uint64_t flags, uint64_t resolve, bool *is_done) {
  struct how how = {.flags = flags | O_PATH | O_CLOEXEC, .resolve = resolve | BENEATH | NO_XDEV | NO_MAGICLINKS};
  *is_done = true;
  for (int i = 0; i < MAX_TRIES && !is_openat2_missing; i++) {
    long fd = syscall(SYS_openat2, root, path, &how, sizeof how);
    if (fd >= 0) return (int)fd;
    if (errno == ENOSYS || errno == EPERM || errno == EINVAL || errno == E2BIG) is_openat2_missing = true;
    else if (errno != EAGAIN && errno != EINTR) return -errno;
  }
  *is_done = false;
  return -EAGAIN;
}

int resolve(const char *path) {
  bool is_done;
  int fd = open_beneath(workspace, path[0] == '\0' ? "." : path, 0, 0, &is_done);
  return is_done ? fd : walk_open(workspace, path);
}

int open_directory(int path_fd) {
  int fd = openat(path_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

int resolve_directory(int root, const char *path) {
  bool is_done;
  int path_fd = open_beneath(root, path[0] == '\0' ? "." : path, O_DIRECTORY, NO_SYMLINKS, &is_done);
  if (!is_done) path_fd = walk_open_plain(root, path);
  if (path_fd < 0) return path_fd;
  int fd = open_directory(path_fd);
  close(path_fd);
  return fd;
}

static void link_of(int fd, char *out, size_t size) { snprintf(out, size, "/proc/self/fd/%d", fd); }

int open_regular(int path_fd, int flags) {
  struct stat st;
  char link[32];
  if (fstat(path_fd, &st) < 0) return -errno;
  if (S_ISDIR(st.st_mode)) return -EISDIR;
  if (!S_ISREG(st.st_mode)) return -ENXIO;
  link_of(path_fd, link, sizeof link);
  int fd = open(link, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

int change_mode(int path_fd, unsigned mode) {
  struct stat st;
  char link[32];
  if (fstat(path_fd, &st) < 0) return -errno;
  if (S_ISLNK(st.st_mode)) return -ELOOP;
  link_of(path_fd, link, sizeof link);
  return chmod(link, mode) < 0 ? -errno : 0;
}

static int open_made(int dir, const char *name) {
  if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST) return -errno;
  int fd = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

/* `prefix` is a path whose directory is open as `fd`; the components that follow it are made one by one. */
static int make_rest(int fd, char *path, size_t prefix) {
  char name[MAX_NAME_BYTES + 1];
  size_t at = prefix == 0 ? 0 : prefix + 1;
  for (;;) {
    size_t size = strcspn(path + at, "/");
    if (size > MAX_NAME_BYTES) {
      close(fd);
      return -ENAMETOOLONG;
    }
    memcpy(name, path + at, size);
    name[size] = '\0';
    int next = open_made(fd, name);
    close(fd);
    if (next < 0 || path[at + size] == '\0') return next;
    fd = next;
    at += size + 1;
  }
}

static int make_path(char *path, size_t length) {
  size_t prefix = length;
  int fd = -ENOENT;
  while (prefix > 0 && fd == -ENOENT) {
    size_t leaf = path_leaf(path, prefix);
    prefix = leaf == 0 ? 0 : leaf - 1;
    char kept = path[prefix];
    path[prefix] = '\0';
    fd = resolve(path);
    path[prefix] = kept;
  }
  return fd < 0 ? fd : make_rest(fd, path, prefix);
}

static int check_directory(int fd) {
  struct stat st;
  if (fstat(fd, &st) < 0) return -errno;
  return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int resolve_place(const char *path, bool make_parents, struct place *place) {
  char parent[MAX_PATH_BYTES + 1];
  place->dir = -1;
  size_t length = strlen(path);
  if (length == 0) return -EBUSY;
  if (length > MAX_PATH_BYTES) return -ENAMETOOLONG;
  size_t leaf = path_leaf(path, length);
  if (length - leaf > MAX_NAME_BYTES) return -ENAMETOOLONG;
  memcpy(place->name, path + leaf, length - leaf + 1);
  size_t parent_length = leaf == 0 ? 0 : leaf - 1;
  memcpy(parent, path, parent_length);
  parent[parent_length] = '\0';

  int fd = resolve(parent);
  if (fd == -ENOENT && make_parents) fd = make_path(parent, parent_length);
  if (fd < 0) return fd;
  int error = check_directory(fd);
  if (error < 0) {
    close(fd);
    return error;
  }
  place->dir = fd;
  return 0;
}

void place_close(struct place *place) {
  if (place->dir >= 0) close(place->dir);
  place->dir = -1;
}
