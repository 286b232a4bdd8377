/* CHMOD: of one entry, or of a directory and all below it. No symlink below it is followed. A directory is given x wherever
 * the mode has r, so that what is in it can still be reached, and is changed when the cursor leaves it. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file-job.h"
#include "frame.h"

enum { CHMOD_END_BYTES = 16 };

static void end(struct file_job *job, int error) {
  uint8_t extra[CHMOD_END_BYTES];
  put_u64(extra, job->u.chmod.changed);
  put_u64(extra + 8, job->u.chmod.failed);
  job_end(job, error, 0, extra, sizeof extra);
}

static uint32_t of_directory(uint32_t mode) { return mode | (mode & 0444) >> 2; }

static void count(struct chmod_state *state, int error) {
  if (error == 0) state->changed++;
  else state->failed++;
}

void chmod_start(struct file_job *job, const struct file_args *args) {
  struct chmod_state *state = &job->u.chmod;
  struct stat st;
  state->root = -1;
  state->tree.fd = -1;
  state->changed = state->failed = 0;
  state->mode = args->mode & 0777;
  int path_fd = resolve(job->path);
  if (path_fd < 0) {
    job_fail_path(job, path_fd);
    return;
  }
  int error = fstat(path_fd, &st) < 0 ? -errno : 0;
  bool is_tree = error == 0 && (job->flags & FILE_RECURSIVE) != 0 && S_ISDIR(st.st_mode);
  if (is_tree) {
    state->root = open_directory(path_fd);
    error = state->root < 0 ? state->root : tree_begin(&state->tree, state->root);
  } else if (error == 0) {
    error = change_mode(path_fd, state->mode);
    if (error == 0) state->changed = 1;
  }
  close(path_fd);
  if (error < 0 || !is_tree) end(job, error);
  else job->is_ready = true;
}

static void take_entry(struct chmod_state *state, const struct tree_entry *entry) {
  struct tree *tree = &state->tree;
  if (entry->type == DT_LNK) return;
  int path_fd = openat(tree->fd, entry->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (path_fd < 0) {
    count(state, -errno);
    return;
  }
  struct stat st;
  if (fstat(path_fd, &st) == 0 && S_ISDIR(st.st_mode)) {
    int fd = tree_open_child(tree->fd, entry->name, true);
    if (fd < 0 || tree_enter(tree, entry->name, fd) < 0) {
      if (fd >= 0) close(fd);
      count(state, -ELOOP);
    }
  } else if (!S_ISLNK(st.st_mode)) {
    count(state, change_mode(path_fd, state->mode));
  }
  close(path_fd);
}

/* 1 the tree is done, 0 gone up, or a negative errno. */
static int leave_directory(struct chmod_state *state) {
  char name[MAX_NAME_BYTES + 1];
  count(state, fchmod(state->tree.fd, of_directory(state->mode)) < 0 ? -errno : 0);
  if (state->tree.depth == 0) return 1;
  return tree_leave(&state->tree, name);
}

void chmod_step(struct file_job *job) {
  struct chmod_state *state = &job->u.chmod;
  struct tree_entry entry;
  uint64_t begun = step_begin();
  int status = 0;
  do {
    int found = tree_next(&state->tree, &entry);
    if (found > 0) take_entry(state, &entry);
    else status = found < 0 && found != -ENOENT ? found : leave_directory(state);
  } while (status == 0 && !step_is_over(begun));
  if (status != 0) end(job, status < 0 ? status : 0);
}

void chmod_close(struct file_job *job) {
  tree_end(&job->u.chmod.tree);
  if (job->u.chmod.root >= 0) close(job->u.chmod.root);
  job->u.chmod.root = -1;
}
