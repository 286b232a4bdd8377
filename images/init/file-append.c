#define _GNU_SOURCE
#include "file-append.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file-job.h"
#include "frame.h"

int append_open(struct file_job *job, bool is_exclusive, const uint64_t *at) {
  struct write_state *state = &job->u.write;
  struct stat st;
  int path_fd = resolve(job->path);
  if (path_fd >= 0) {
    int fd = is_exclusive ? -EEXIST : open_regular(path_fd, O_WRONLY | O_APPEND);
    close(path_fd);
    if (fd < 0) return fd;
    state->fd = fd;
  } else if (path_fd != -ENOENT) {
    return path_fd;
  } else {
    int flags = O_CREAT | O_EXCL | O_WRONLY | O_APPEND | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC;
    state->fd = openat(state->place.dir, state->place.name, flags, state->mode == 0 ? 0644 : state->mode);
    if (state->fd < 0) return errno == EEXIST && !is_exclusive ? -ENOENT : -errno; /* a link to nothing */
    state->is_created = true;
  }
  if (fstat(state->fd, &st) < 0) return -errno;
  state->base = (uint64_t)st.st_size;
  return at != NULL && *at != state->base ? -ESTALE : 0;
}

/* When nobody else has changed the file's size meanwhile: the check and the cut are two calls, the tenant's own race. In a
 * full btrfs quota no file can be cut (EDQUOT, also after a sync), but one that is ours can be removed. */
static bool take_back(const struct write_state *state) {
  struct stat st;
  struct stat named;
  if (fstat(state->fd, &st) < 0 || (uint64_t)st.st_size != state->base + state->written) return false;
  bool is_ours = state->is_created && fstatat(state->place.dir, state->place.name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
                 named.st_ino == st.st_ino && named.st_dev == st.st_dev;
  if (is_ours && unlinkat(state->place.dir, state->place.name, 0) == 0) return true;
  return state->written == 0 || ftruncate(state->fd, (off_t)state->base) == 0;
}

size_t append_undo(struct write_state *state, uint8_t left[APPEND_LEFT_BYTES]) {
  struct stat st;
  if (state->fd < 0 || !state->is_append || !(state->is_created || state->written > 0)) return 0;
  bool is_left = (state->is_kept && state->written > 0) || !take_back(state);
  uint64_t written = state->written;
  state->is_created = false;
  state->written = 0;
  if (!is_left || written == 0 || fstat(state->fd, &st) < 0) return 0;
  put_u64(left, written);
  put_u64(left + 8, (uint64_t)st.st_size);
  return APPEND_LEFT_BYTES;
}
