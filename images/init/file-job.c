#define _GNU_SOURCE
#include "file-job.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "file-reply.h"

enum { STEP_NS = 500 * 1000 };

static const struct file_op ops[] = {
  [FILE_READ] = {.start = read_start, .step = read_step, .close = read_close},
  [FILE_WRITE] = {.flags = FILE_PARENTS | FILE_APPEND | FILE_EXCLUSIVE | FILE_AT | FILE_KEEP,
                  .start = write_start, .step = write_step, .data = write_data, .cancel = write_cancel, .close = write_close},
  [FILE_LIST] = {.flags = FILE_IGNORE | FILE_ONLY_FILES, .has_path2 = true,
                 .start = list_start, .step = list_step, .cancel = list_cancel, .close = list_close},
  [FILE_STAT] = {.flags = FILE_NOFOLLOW, .start = entry_stat},
  [FILE_MKDIR] = {.flags = FILE_PARENTS, .start = entry_mkdir},
  [FILE_REMOVE] = {.flags = FILE_RECURSIVE | FILE_EXCLUSIVE, .start = remove_start, .step = remove_step, .close = remove_close},
  [FILE_MOVE] = {.flags = FILE_PARENTS | FILE_EXCLUSIVE, .has_path2 = true, .start = entry_move},
  [FILE_COPY] = {.flags = FILE_PARENTS | FILE_EXCLUSIVE | FILE_RECURSIVE | FILE_NOFOLLOW, .has_path2 = true,
                 .start = copy_start, .step = copy_step, .cancel = copy_cancel, .close = copy_close},
  [FILE_CHMOD] = {.flags = FILE_RECURSIVE, .start = chmod_start, .step = chmod_step, .close = chmod_close},
  [FILE_READLINK] = {.start = entry_readlink},
  [FILE_SYMLINK] = {.flags = FILE_PARENTS | FILE_ANYWHERE, .start = entry_symlink},
  [FILE_HASH] = {.start = read_start, .step = hash_step, .close = read_close},
  [FILE_GREP] = {.flags = FILE_IGNORE, .start = list_start, .step = list_step, .cancel = list_cancel, .close = list_close},
  [FILE_WATCH] = {.flags = FILE_RECURSIVE, .start = watch_start, .step = watch_step, .close = watch_close},
};

const struct file_op *file_op_of(uint8_t op) {
  return op < sizeof ops / sizeof ops[0] && ops[op].start != NULL ? &ops[op] : NULL;
}

void job_end(struct file_job *job, int error, int what, const uint8_t *extra, size_t length) {
  reply_end(job->id, -error, what, extra, length);
  const struct file_op *op = file_op_of(job->op);
  if (op != NULL && op->close != NULL) op->close(job);
  job->is_used = false;
}

void job_fail_path(struct file_job *job, int error) { job_end(job, error, error == -ENOTDIR ? 2 : 0, NULL, 0); }

void job_end_stat(struct file_job *job, int fd) {
  struct stat st;
  uint8_t out[STAT_BYTES];
  if (fstat(fd, &st) < 0) {
    job_end(job, -errno, 0, NULL, 0);
    return;
  }
  put_stat(out, &st);
  job_end(job, 0, 0, out, sizeof out);
}

size_t job_credit(const struct file_job *job) {
  uint64_t ahead = job->sent - job->credited;
  uint64_t room = ahead >= FILE_WINDOW_BYTES ? 0 : FILE_WINDOW_BYTES - ahead;
  return room < MAX_DATA ? (size_t)room : MAX_DATA;
}

uint64_t step_begin(void) {
  struct timespec now;
  if (clock_gettime(CLOCK_MONOTONIC, &now) < 0) return 0;
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

bool step_is_over(uint64_t begun) { return step_begin() - begun >= STEP_NS; }
