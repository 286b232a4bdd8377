/* The operations on one directory entry, each done at once: STAT, MKDIR, MOVE, READLINK, SYMLINK. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file-job.h"
#include "file-reply.h"

static void end(struct file_job *job, int error, int what) { job_end(job, error, what, NULL, 0); }

static void stat_place(struct file_job *job) {
  struct place place;
  struct stat st;
  uint8_t out[STAT_BYTES];
  int error = resolve_place(job->path, false, &place);
  if (error < 0) {
    job_fail_path(job, error);
    return;
  }
  error = fstatat(place.dir, place.name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
  place_close(&place);
  if (error < 0) {
    end(job, error, 0);
    return;
  }
  put_stat(out, &st);
  job_end(job, 0, 0, out, sizeof out);
}

void entry_stat(struct file_job *job, const struct file_args *args) {
  (void)args;
  if ((job->flags & FILE_NOFOLLOW) != 0 && job->path[0] != '\0') {
    stat_place(job);
    return;
  }
  int fd = resolve(job->path);
  if (fd < 0) {
    job_fail_path(job, fd);
    return;
  }
  job_end_stat(job, fd);
  close(fd);
}

static int check_is_directory(const char *path) {
  struct stat st;
  int fd = resolve(path);
  if (fd < 0) return -EEXIST;
  int error = fstat(fd, &st) < 0 ? -errno : 0;
  close(fd);
  if (error < 0) return error;
  return S_ISDIR(st.st_mode) ? 0 : -EEXIST;
}

void entry_mkdir(struct file_job *job, const struct file_args *args) {
  struct place place;
  bool with_parents = (job->flags & FILE_PARENTS) != 0;
  if (job->path[0] == '\0') {
    end(job, with_parents ? 0 : -EEXIST, 0);
    return;
  }
  int error = resolve_place(job->path, with_parents, &place);
  if (error < 0) {
    job_fail_path(job, error);
    return;
  }
  unsigned mode = args->mode == 0 ? 0755 : args->mode & 0777;
  error = mkdirat(place.dir, place.name, mode) < 0 ? -errno : 0;
  place_close(&place);
  if (error == -EEXIST && with_parents) error = check_is_directory(job->path);
  end(job, error, 0);
}

/* Which of the two paths an errno of rename(2) speaks of. */
static int side_of(int error) {
  switch (-error) {
    case EEXIST:
    case ENOTEMPTY:
    case EISDIR:
    case ENOTDIR:
    case EINVAL: return 1;
    default: return 0;
  }
}

void entry_move(struct file_job *job, const struct file_args *args) {
  struct place from;
  struct place to;
  int error = resolve_place(job->path, false, &from);
  if (error < 0) {
    job_fail_path(job, error);
    return;
  }
  error = resolve_place(args->path2, (job->flags & FILE_PARENTS) != 0, &to);
  int what = 1;
  if (error == 0) {
    error = rename_entry(from.dir, from.name, to.dir, to.name, (job->flags & FILE_EXCLUSIVE) != 0);
    what = side_of(error);
  }
  place_close(&from);
  place_close(&to);
  end(job, error, error == 0 ? 0 : what);
}

void entry_readlink(struct file_job *job, const struct file_args *args) {
  (void)args;
  struct place place;
  uint8_t target[MAX_END_EXTRA];
  if (job->path[0] == '\0') {
    end(job, -EINVAL, 0);
    return;
  }
  int error = resolve_place(job->path, false, &place);
  if (error < 0) {
    job_fail_path(job, error);
    return;
  }
  ssize_t size = readlinkat(place.dir, place.name, (char *)target, sizeof target);
  error = size < 0 ? -errno : 0;
  place_close(&place);
  job_end(job, error, 0, target, size < 0 ? 0 : (size_t)size);
}

static int check_target(const struct file_job *job, const char *target, size_t length) {
  if (length == 0) return -ENOENT;
  if (length >= MAX_PATH_BYTES) return -ENAMETOOLONG;
  if (strlen(target) != length) return -EINVAL;
  if ((job->flags & FILE_ANYWHERE) != 0) return 0;
  return path_target_stays(job->path, target) ? 0 : -EXDEV;
}

void entry_symlink(struct file_job *job, const struct file_args *args) {
  struct place place;
  const char *target = (const char *)args->extra;
  if (job->path[0] == '\0') {
    end(job, -EEXIST, 0);
    return;
  }
  int error = check_target(job, target, args->extra_bytes);
  if (error < 0) {
    end(job, error, 0);
    return;
  }
  error = resolve_place(job->path, (job->flags & FILE_PARENTS) != 0, &place);
  if (error < 0) {
    job_fail_path(job, error);
    return;
  }
  error = symlinkat(target, place.dir, place.name) < 0 ? -errno : 0;
  place_close(&place);
  end(job, error, 0);
}
