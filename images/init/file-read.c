/* READ and HASH: one regular file, from its descriptor, up to the size it had when the request came. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "file-job.h"
#include "file-reply.h"
#include "frame.h"

enum { READ_PORTION = MAX_DATA - HEADER_BYTES }; /* with its header a frame is one read of the daemon's */

static uint8_t scratch[MAX_DATA];

/* A transfer that goes on must go on with the same file: inode, size and nanoseconds of its last change. */
static bool is_same(const struct stat *st, const uint8_t *identity) {
  uint64_t ns = (uint64_t)st->st_mtim.tv_sec * 1000000000u + (uint64_t)st->st_mtim.tv_nsec;
  return get_u64(identity) == (uint64_t)st->st_ino && get_u64(identity + 8) == (uint64_t)st->st_size && get_u64(identity + 16) == ns;
}

void read_start(struct file_job *job, const struct file_args *args) {
  struct read_state *state = &job->u.read;
  struct stat st;
  state->fd = -1;
  int path_fd = resolve(job->path);
  if (path_fd < 0) {
    job_fail_path(job, path_fd);
    return;
  }
  state->fd = open_regular(path_fd, O_RDONLY);
  close(path_fd);
  if (state->fd < 0 || fstat(state->fd, &st) < 0) {
    job_end(job, state->fd < 0 ? state->fd : -errno, 0, NULL, 0);
    return;
  }
  if (args->extra_bytes > 0 && !is_same(&st, args->extra)) {
    job_end(job, -ESTALE, 0, NULL, 0);
    return;
  }
  uint64_t size = st.st_size < 0 ? 0 : (uint64_t)st.st_size;
  state->offset = args->offset < size ? args->offset : size;
  state->left = size - state->offset;
  if (args->length > 0 && args->length < state->left) state->left = args->length;
  sha256_init(&state->hash);
  job->is_ready = true;
}

void read_step(struct file_job *job) {
  struct read_state *state = &job->u.read;
  size_t want = job_credit(job);
  if (want > READ_PORTION) want = READ_PORTION;
  if (want > state->left) want = (size_t)state->left;
  if (state->left > 0 && want == 0) {
    job->is_ready = false;
    return;
  }
  ssize_t size = want == 0 ? 0 : pread(state->fd, reply_data(), want, (off_t)state->offset);
  if (size < 0) {
    if (errno != EINTR) job_end(job, -errno, 0, NULL, 0);
    return;
  }
  if (size > 0) reply_data_commit(job->id, (size_t)size);
  job->sent += (uint64_t)size;
  state->offset += (uint64_t)size;
  state->left = size == 0 ? 0 : state->left - (uint64_t)size;
  if (state->left == 0) job_end_stat(job, state->fd);
}

static void end_hash(struct file_job *job) {
  struct stat st;
  uint8_t out[STAT_BYTES + SHA256_BYTES];
  if (fstat(job->u.read.fd, &st) < 0) {
    job_end(job, -errno, 0, NULL, 0);
    return;
  }
  put_stat(out, &st);
  sha256_end(&job->u.read.hash, out + STAT_BYTES);
  job_end(job, 0, 0, out, sizeof out);
}

void hash_step(struct file_job *job) {
  struct read_state *state = &job->u.read;
  uint64_t begun = step_begin();
  while (state->left > 0 && !step_is_over(begun)) {
    size_t want = state->left < sizeof scratch ? (size_t)state->left : sizeof scratch;
    ssize_t size = pread(state->fd, scratch, want, (off_t)state->offset);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) {
      job_end(job, -errno, 0, NULL, 0);
      return;
    }
    sha256_add(&state->hash, scratch, (size_t)size);
    state->offset += (uint64_t)size;
    state->left = size == 0 ? 0 : state->left - (uint64_t)size;
  }
  if (state->left == 0) end_hash(job);
}

void read_close(struct file_job *job) {
  if (job->u.read.fd >= 0) close(job->u.read.fd);
  job->u.read.fd = -1;
}
