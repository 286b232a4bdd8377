/* WRITE: a temporary file beside the name, filled as data comes and renamed at the end; or an append in place.
 * Nothing is left of a write that fails or is cancelled; what an append could not take back is told. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "file-append.h"
#include "file-job.h"
#include "file-reply.h"

enum { CREDIT_BYTES = 256 * 1024 };

static uint8_t scratch[MAX_DATA];

static void fail(struct file_job *job, int error) {
  uint8_t left[APPEND_LEFT_BYTES];
  size_t length = append_undo(&job->u.write, left);
  job_end(job, error, 0, left, length);
}

void write_cancel(struct file_job *job) { fail(job, -ECANCELED); }

/* What the name holds now: 0 with the mode that the file keeps, or why it can't be written. */
static int check_present(struct write_state *state, bool is_exclusive, uint32_t *mode, bool *is_new) {
  struct stat st;
  *is_new = fstatat(state->place.dir, state->place.name, &st, AT_SYMLINK_NOFOLLOW) < 0;
  if (*is_new) return errno == ENOENT ? 0 : -errno;
  if (is_exclusive) return -EEXIST;
  if (S_ISDIR(st.st_mode)) return -EISDIR;
  if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode)) return -ENXIO;
  if (S_ISREG(st.st_mode)) *mode = st.st_mode & 0777;
  return 0;
}

/* Starts to hash the present content, which is what a READ of the path would give. */
static int match_begin(struct file_job *job) {
  struct write_state *state = &job->u.write;
  struct stat st;
  int path_fd = resolve(job->path);
  if (path_fd < 0) return path_fd == -ENOENT ? -ESTALE : path_fd;
  int fd = open_regular(path_fd, O_RDONLY);
  close(path_fd);
  if (fd < 0) return fd;
  state->present = fd;
  if (fstat(fd, &st) < 0) return -errno;
  state->present_left = (uint64_t)st.st_size;
  state->is_matching = true;
  sha256_init(&state->hash);
  job->is_ready = true;
  return 0;
}

/* The path must still name what was hashed. */
static int match_end(struct file_job *job) {
  struct write_state *state = &job->u.write;
  uint8_t digest[SHA256_BYTES];
  struct stat was;
  struct stat is;
  uint64_t hashed = state->hash.length;
  sha256_end(&state->hash, digest);
  state->is_matching = false;
  if (memcmp(digest, state->match, sizeof digest) != 0) return -ESTALE;
  int path_fd = resolve(job->path);
  if (path_fd < 0) return -ESTALE;
  int error = fstat(path_fd, &is) < 0 || fstat(state->present, &was) < 0 ? -errno : 0;
  close(path_fd);
  if (error < 0) return error;
  bool is_same = is.st_dev == was.st_dev && is.st_ino == was.st_ino;
  return is_same && (uint64_t)was.st_size == hashed ? 0 : -ESTALE;
}

static int hold_begin(struct write_state *state) {
  void *held = mmap(NULL, FILE_WINDOW_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (held == MAP_FAILED) return -errno;
  state->held = held;
  return 0;
}

static int open_target(struct file_job *job, const uint64_t *at) {
  struct write_state *state = &job->u.write;
  bool is_exclusive = (job->flags & FILE_EXCLUSIVE) != 0;
  uint32_t mode = 0644;
  if (state->is_append) {
    if (!state->has_match) return append_open(job, is_exclusive, at);
    int error = match_begin(job);
    if (error == 0) error = hold_begin(state);
    return error < 0 ? error : append_open(job, is_exclusive, at);
  }
  bool is_new;
  int error = check_present(state, is_exclusive, &mode, &is_new);
  if (error < 0) return error;
  if (state->mode == 0) state->mode = mode;
  state->fd = temporary_create(state->place.dir, state->temporary, is_new);
  if (state->fd >= 0) return 0;
  state->temporary[0] = '\0';
  return state->fd;
}

void write_start(struct file_job *job, const struct file_args *args) {
  struct write_state *state = &job->u.write;
  memset(state, 0, sizeof *state);
  state->fd = -1;
  state->present = -1;
  state->place.dir = -1;
  state->mode = args->mode & 0777;
  state->is_append = (job->flags & FILE_APPEND) != 0;
  state->is_kept = state->is_append && (job->flags & FILE_KEEP) != 0;
  state->has_match = args->extra_bytes == SHA256_BYTES;
  if (state->has_match) memcpy(state->match, args->extra, SHA256_BYTES);
  int error = resolve_place(job->path, (job->flags & FILE_PARENTS) != 0, &state->place);
  if (error < 0) {
    job_fail_path(job, error == -EBUSY ? -EISDIR : error);
    return;
  }
  error = open_target(job, (job->flags & FILE_AT) != 0 ? &args->offset : NULL);
  if (error < 0) fail(job, error);
}

static int write_all(struct write_state *state, const uint8_t *bytes, size_t length) {
  while (length > 0) {
    ssize_t size = write(state->fd, bytes, length);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return -errno;
    if (size == 0) return -EIO;
    bytes += size;
    length -= (size_t)size;
    state->written += (uint64_t)size;
  }
  return 0;
}

static void finish(struct file_job *job) {
  struct write_state *state = &job->u.write;
  struct stat st;
  uint8_t out[STAT_BYTES];
  int error = state->is_append || fchmod(state->fd, state->mode) == 0 ? 0 : -errno;
  if (error == 0 && fstat(state->fd, &st) < 0) error = -errno;
  int fd = state->is_append ? -1 : state->fd;
  if (error == 0 && fd >= 0) {
    state->fd = -1;
    error = close(fd) < 0 ? -errno : 0; /* the last moment at which a file system may say that it is full */
  }
  if (error == 0 && !state->is_append) {
    bool is_exclusive = (job->flags & FILE_EXCLUSIVE) != 0;
    error = rename_entry(state->place.dir, state->temporary, state->place.dir, state->place.name, is_exclusive);
    if (error == 0) state->temporary[0] = '\0';
  }
  if (error < 0) {
    fail(job, error);
    return;
  }
  state->base = 0;
  state->written = 0;
  state->is_created = false;
  put_stat(out, &st);
  job_end(job, 0, 0, out, sizeof out);
}

static void take(struct file_job *job, const uint8_t *bytes, size_t length, bool is_last) {
  struct write_state *state = &job->u.write;
  int error = write_all(state, bytes, length);
  if (error == 0 && is_last && state->has_match && !state->is_append) {
    error = match_begin(job);
    if (error == 0) return;
  }
  if (error < 0) {
    fail(job, error);
  } else if (is_last) {
    finish(job);
  } else if (state->written - state->reported >= CREDIT_BYTES) {
    state->reported = state->written;
    reply_credit(job->id, state->written);
  }
}

void write_data(struct file_job *job, const uint8_t *bytes, size_t length, bool is_last) {
  struct write_state *state = &job->u.write;
  if (!state->is_matching) {
    take(job, bytes, length, is_last);
    return;
  }
  if (state->held == NULL || state->is_held_last || length > FILE_WINDOW_BYTES - state->held_bytes) {
    fail(job, -EPROTO);
    return;
  }
  memcpy(state->held + state->held_bytes, bytes, length);
  state->held_bytes += length;
  state->is_held_last = is_last;
}

void write_step(struct file_job *job) {
  struct write_state *state = &job->u.write;
  uint64_t begun = step_begin();
  while (state->present_left > 0 && !step_is_over(begun)) {
    size_t want = state->present_left < sizeof scratch ? (size_t)state->present_left : sizeof scratch;
    ssize_t size = pread(state->present, scratch, want, (off_t)state->hash.length);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) {
      fail(job, -errno);
      return;
    }
    sha256_add(&state->hash, scratch, (size_t)size);
    state->present_left = size == 0 ? 0 : state->present_left - (uint64_t)size;
  }
  if (state->present_left > 0) return;
  job->is_ready = false;
  int error = match_end(job);
  if (error < 0) fail(job, error);
  else if (state->is_append) take(job, state->held, state->held_bytes, state->is_held_last);
  else finish(job);
}

void write_close(struct file_job *job) {
  struct write_state *state = &job->u.write;
  uint8_t left[APPEND_LEFT_BYTES];
  append_undo(state, left);
  if (state->fd >= 0) close(state->fd);
  if (state->present >= 0) close(state->present);
  if (state->temporary[0] != '\0') unlinkat(state->place.dir, state->temporary, 0);
  if (state->held != NULL) munmap(state->held, FILE_WINDOW_BYTES);
  place_close(&state->place);
  state->fd = -1;
  state->present = -1;
  state->held = NULL;
  state->temporary[0] = '\0';
}
