#define _GNU_SOURCE
#include "file-walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file-path.h"
#include "protocol.h"

enum {
  MAX_LINKS = 40,
  MAX_TEXT = (MAX_LINKS + 1) * (MAX_PATH_BYTES + 1),
  MAX_OPENS = 1 << 15 /* of one resolution: bounds what a tenant's chain of ".." links costs */
};

/* The path still to go stands right-aligned in `text`, so that a link's target is put before it.
 * `done` is the walked path: real directories only, by name. ".." takes its last name away and the next
 * component is opened from the root again, so no descriptor of an ancestor is ever kept. */
struct walk {
  int root;
  dev_t device;
  int fd;        /* of `done`, -1: to be opened again */
  int opens;
  size_t at;     /* into text */
  size_t length; /* of done */
};

static char text[MAX_TEXT];
static char done[MAX_TEXT];

static int open_one(int dir, const char *name, int flags) {
  int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC | flags);
  return fd < 0 ? -errno : fd;
}

int walk_open_plain(int root, const char *path) {
  char name[MAX_NAME_BYTES + 1];
  int fd = open_one(root, ".", O_DIRECTORY);
  while (fd >= 0 && *path != '\0') {
    size_t size = strcspn(path, "/");
    if (size > MAX_NAME_BYTES) {
      close(fd);
      return -ENAMETOOLONG;
    }
    memcpy(name, path, size);
    name[size] = '\0';
    bool is_last = path[size] == '\0';
    int next = open_one(fd, name, is_last ? 0 : O_DIRECTORY);
    close(fd);
    fd = next;
    path += size + !is_last;
  }
  return fd;
}

static void set_fd(struct walk *walk, int fd) {
  if (walk->fd >= 0) close(walk->fd);
  walk->fd = fd;
}

static int reopen(struct walk *walk) {
  done[walk->length] = '\0';
  for (size_t i = 0; i < walk->length; i++) walk->opens += done[i] == '/';
  int fd = walk_open_plain(walk->root, done);
  if (fd < 0) return fd;
  walk->fd = fd;
  return 0;
}

static int put_target(struct walk *walk, int link) {
  char target[MAX_PATH_BYTES];
  ssize_t size = readlinkat(link, "", target, sizeof target);
  if (size < 0) return -errno;
  if (size == 0) return -ENOENT;
  if ((size_t)size >= sizeof target) return -ENAMETOOLONG;
  if (target[0] == '/') return -EXDEV;
  if ((size_t)size > walk->at) return -ELOOP;
  walk->at -= (size_t)size;
  memcpy(text + walk->at, target, (size_t)size);
  return 0;
}

static int go_up(struct walk *walk) {
  if (walk->length == 0) return -EXDEV;
  size_t leaf = path_leaf(done, walk->length);
  walk->length = leaf == 0 ? 0 : leaf - 1;
  set_fd(walk, -1);
  return 0;
}

static int enter(struct walk *walk, int fd, const struct stat *st, const char *name, size_t size) {
  if (S_ISDIR(st->st_mode) && st->st_dev != walk->device) return -EXDEV;
  if (walk->length + size + 2 > sizeof done) return -ENAMETOOLONG;
  if (walk->length > 0) done[walk->length++] = '/';
  memcpy(done + walk->length, name, size);
  walk->length += size;
  set_fd(walk, fd);
  return 0;
}

static int step(struct walk *walk, int *links) {
  char name[MAX_NAME_BYTES + 1];
  while (text[walk->at] == '/') walk->at++;
  size_t size = strcspn(text + walk->at, "/");
  if (size == 0) return 0;
  if (size > MAX_NAME_BYTES) return -ENAMETOOLONG;
  memcpy(name, text + walk->at, size);
  name[size] = '\0';
  walk->at += size;
  bool is_last = text[walk->at] == '\0';

  int error = walk->fd < 0 ? reopen(walk) : 0;
  if (error < 0) return error;
  if (strcmp(name, ".") == 0) return 0;
  if (strcmp(name, "..") == 0) return go_up(walk);

  struct stat st;
  int fd = open_one(walk->fd, name, 0);
  if (fd < 0) return fd;
  if (fstat(fd, &st) < 0) {
    error = -errno;
  } else if (S_ISLNK(st.st_mode)) {
    error = ++*links > MAX_LINKS ? -ELOOP : put_target(walk, fd);
    close(fd);
    return error;
  } else if (!is_last && !S_ISDIR(st.st_mode)) {
    error = -ENOTDIR;
  } else {
    error = enter(walk, fd, &st, name, size);
  }
  if (error < 0) close(fd);
  return error;
}

int walk_open(int root, const char *path) {
  struct stat st;
  size_t size = strlen(path);
  if (size >= MAX_PATH_BYTES) return -ENAMETOOLONG;
  if (fstat(root, &st) < 0) return -errno;
  struct walk walk = {.root = root, .device = st.st_dev, .fd = -1, .at = MAX_TEXT - 1 - size};
  memcpy(text + walk.at, path, size + 1);

  int links = 0;
  int error = reopen(&walk);
  while (error == 0 && text[walk.at] != '\0') {
    error = ++walk.opens > MAX_OPENS ? -ELOOP : step(&walk, &links);
  }
  if (error == 0 && walk.fd < 0) error = reopen(&walk);
  if (error == 0) return walk.fd;
  set_fd(&walk, -1);
  return error;
}
