/* COPY: a file or a tree, built under a temporary name beside its destination and renamed at the end. A tree that
 * fails or is cancelled is taken away again before END. FIFOs, sockets and devices end the copy with ENXIO. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file-job.h"
#include "file-move-bytes.h"

static void close_fd(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

static void close_work(struct copy_state *state) {
  close_fd(&state->from);
  close_fd(&state->to);
  close_fd(&state->to_dir);
  close_fd(&state->to_root);
  removal_end(&state->walk);
}

static void fail(struct file_job *job, int error, int what) {
  struct copy_state *state = &job->u.copy;
  if (!state->is_tree || state->temporary[0] == '\0') {
    job_end(job, error, what, NULL, 0);
    return;
  }
  struct place place = {.dir = state->place.dir};
  memcpy(place.name, state->temporary, sizeof state->temporary);
  close_work(state);
  state->error = error;
  state->what = what;
  job->is_ready = true;
  if (removal_begin(&state->walk, &place) == 0) return;
  state->temporary[0] = '\0';
  job_end(job, error, what, NULL, 0);
}

void copy_cancel(struct file_job *job) {
  if (job->u.copy.error == 0) fail(job, -ECANCELED, 0);
}

void copy_close(struct file_job *job) {
  struct copy_state *state = &job->u.copy;
  close_work(state);
  if (!state->is_tree && state->temporary[0] != '\0') unlinkat(state->place.dir, state->temporary, 0);
  place_close(&state->place);
}

/* The last step: 0 with the job ended, or a negative errno. */
static int put_in_place(struct file_job *job) {
  struct copy_state *state = &job->u.copy;
  bool is_exclusive = state->is_exclusive || state->is_tree;
  int error = rename_entry(state->place.dir, state->temporary, state->place.dir, state->place.name, is_exclusive);
  if (error < 0) return error;
  state->temporary[0] = '\0';
  job_end(job, 0, 0, NULL, 0);
  return 0;
}

static int open_file(struct copy_state *state, int path_fd, int to) {
  struct stat st;
  state->to = to;
  state->from = open_regular(path_fd, O_RDONLY);
  if (state->from < 0) return state->from;
  if (fstat(state->from, &st) < 0) return -errno;
  state->left = (uint64_t)st.st_size;
  state->mode = st.st_mode & 0777;
  state->method = 0;
  return 0;
}

/* 1 more bytes, 0 the file is complete, or a negative errno. */
static int step_file(struct copy_state *state) {
  int64_t left = move_bytes(state->from, state->to, state->left, &state->method);
  if (left < 0) return (int)left;
  state->left = (uint64_t)left;
  if (left > 0) return 1;
  if (fchmod(state->to, state->mode) < 0) return -errno;
  close_fd(&state->from);
  int to = state->to;
  state->to = -1;
  return close(to) < 0 ? -errno : 0;
}

static int copy_link(int dir, const char *name, int to_dir, const char *to_name) {
  char target[MAX_PATH_BYTES];
  ssize_t size = readlinkat(dir, name, target, sizeof target - 1);
  if (size < 0) return -errno;
  target[size] = '\0';
  return symlinkat(target, to_dir, to_name) < 0 ? -errno : 0;
}

static int enter_directory(struct copy_state *state, const char *name, const struct stat *st) {
  struct tree *tree = &state->walk.tree;
  if (st->st_dev == state->to_device && st->st_ino == state->to_inode) return 0; /* the copy itself */
  int from = tree_open_child(tree->fd, name, false);
  if (from < 0) return from;
  int to = mkdirat(state->to_dir, name, 0700) < 0 ? -errno : tree_open_child(state->to_dir, name, false);
  int error = to < 0 ? to : tree_enter(tree, name, from);
  if (error < 0) {
    close(from);
    close_fd(&to);
    return error;
  }
  tree->level[tree->depth].mode = st->st_mode & 0777;
  close_fd(&state->to_dir);
  state->to_dir = to;
  return 0;
}

static int copy_file(struct copy_state *state, const char *name) {
  int path_fd = openat(state->walk.tree.fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (path_fd < 0) return -errno;
  int to = openat(state->to_dir, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
  int error = to < 0 ? -errno : open_file(state, path_fd, to);
  close(path_fd);
  return error;
}

static int step_entry(struct copy_state *state, const char *name) {
  struct stat st;
  int dir = state->walk.tree.fd;
  if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0) return errno == ENOENT ? 0 : -errno;
  if (S_ISDIR(st.st_mode)) return enter_directory(state, name, &st);
  if (S_ISLNK(st.st_mode)) return copy_link(dir, name, state->to_dir, name);
  return S_ISREG(st.st_mode) ? copy_file(state, name) : -ENXIO;
}

/* A directory is complete: 0 gone up, 1 it was the last, or a negative errno. */
static int leave_directory(struct copy_state *state) {
  struct tree *tree = &state->walk.tree;
  char name[MAX_NAME_BYTES + 1];
  if (fchmod(state->to_dir, tree->level[tree->depth].mode) < 0) return -errno;
  if (tree->depth == 0) return 1;
  int error = tree_leave(tree, name);
  if (error < 0) return error;
  close_fd(&state->to_dir);
  state->to_dir = resolve_directory(state->to_root, tree->path);
  return state->to_dir < 0 ? state->to_dir : 0;
}

/* 1 the tree is complete, 0 more to do, or a negative errno. */
static int step_tree(struct copy_state *state) {
  struct tree_entry entry;
  int found = tree_next(&state->walk.tree, &entry);
  if (found < 0) return found;
  return found > 0 ? step_entry(state, entry.name) : leave_directory(state);
}

void copy_step(struct file_job *job) {
  struct copy_state *state = &job->u.copy;
  uint64_t begun = step_begin();
  if (state->error < 0) {
    int more = removal_step(&state->walk, begun);
    if (more <= 0) job_end(job, state->error, state->what, NULL, 0);
    return;
  }
  int status;
  do {
    bool is_file = state->from >= 0;
    status = is_file ? step_file(state) : step_tree(state);
    if (is_file && status >= 0) status = status == 0 && !state->is_tree;
  } while (status == 0 && !step_is_over(begun));
  if (status < 0) {
    fail(job, status, 0);
  } else if (status == 1) {
    int error = put_in_place(job);
    if (error < 0) fail(job, error, 1);
  }
}

static int begin_tree(struct copy_state *state, int path_fd, const struct stat *from) {
  struct stat st;
  state->walk.root = open_directory(path_fd);
  if (state->walk.root < 0) return state->walk.root;
  int error = tree_begin(&state->walk.tree, state->walk.root);
  if (error < 0) return error;
  state->walk.tree.level[0].mode = from->st_mode & 0777;
  error = temporary_create_directory(state->place.dir, state->temporary);
  if (error < 0) {
    state->temporary[0] = '\0';
    return error;
  }
  state->to_root = tree_open_child(state->place.dir, state->temporary, false);
  if (state->to_root < 0) return state->to_root;
  if (fstat(state->to_root, &st) < 0) return -errno;
  state->to_device = st.st_dev;
  state->to_inode = st.st_ino;
  state->to_dir = resolve_directory(state->to_root, "");
  return state->to_dir < 0 ? state->to_dir : 0;
}

static int begin_file(struct copy_state *state, int path_fd) {
  int to = temporary_create(state->place.dir, state->temporary, true);
  if (to >= 0) return open_file(state, path_fd, to);
  state->temporary[0] = '\0';
  return to;
}

static int begin_link(struct copy_state *state, int path_fd) {
  int error = temporary_name(state->temporary);
  return error < 0 ? error : copy_link(path_fd, "", state->place.dir, state->temporary);
}

static int check_destination(const struct copy_state *state) {
  struct stat st;
  if (fstatat(state->place.dir, state->place.name, &st, AT_SYMLINK_NOFOLLOW) < 0) return errno == ENOENT ? 0 : -errno;
  if (state->is_exclusive || state->is_tree) return -EEXIST;
  return S_ISDIR(st.st_mode) ? -EISDIR : 0;
}

static int open_source(const struct file_job *job) {
  struct place place;
  if ((job->flags & FILE_NOFOLLOW) == 0 || job->path[0] == '\0') return resolve(job->path);
  int error = resolve_place(job->path, false, &place);
  if (error < 0) return error;
  int fd = openat(place.dir, place.name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  error = fd < 0 ? -errno : 0;
  place_close(&place);
  return error < 0 ? error : fd;
}

static void begin(struct file_job *job, const struct file_args *args, int path_fd) {
  struct copy_state *state = &job->u.copy;
  struct stat st;
  bool is_within = path_is_within(args->path2, job->path);
  int error = fstat(path_fd, &st) < 0 ? -errno : 0;
  if (error == 0 && S_ISDIR(st.st_mode)) {
    state->is_tree = true;
    if ((job->flags & FILE_RECURSIVE) == 0) error = -EISDIR;
    else if (is_within) error = -EINVAL;
  } else if (error == 0 && !S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode)) {
    error = -ENXIO;
  }
  if (error < 0) {
    fail(job, error, 0);
    return;
  }
  error = resolve_place(args->path2, (job->flags & FILE_PARENTS) != 0, &state->place);
  if (error == 0) error = check_destination(state);
  if (error < 0) {
    fail(job, error, 1);
    return;
  }
  if (state->is_tree) error = begin_tree(state, path_fd, &st);
  else error = S_ISLNK(st.st_mode) ? begin_link(state, path_fd) : begin_file(state, path_fd);
  job->is_ready = true;
  int what = 0;
  if (error == 0 && S_ISLNK(st.st_mode)) {
    what = 1;
    error = put_in_place(job);
  }
  if (error < 0) fail(job, error, what);
}

void copy_start(struct file_job *job, const struct file_args *args) {
  struct copy_state *state = &job->u.copy;
  state->place.dir = state->from = state->to = state->to_root = state->to_dir = -1;
  state->walk.root = state->walk.tree.fd = -1;
  state->temporary[0] = '\0';
  state->error = 0;
  state->is_tree = false;
  state->is_exclusive = (job->flags & FILE_EXCLUSIVE) != 0;
  int path_fd = open_source(job);
  if (path_fd < 0) {
    job_fail_path(job, path_fd);
    return;
  }
  begin(job, args, path_fd);
  close(path_fd);
}
