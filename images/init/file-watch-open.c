/* The beginning and the end of a WATCH: what is watched first, and the memory for what is found below it. */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file-job.h"

enum { MEMORY_BYTES = MAX_WATCHED * sizeof(struct watched) + WATCH_NAME_BYTES };

static int watches; /* open now */

/* The directory itself, or of anything else the one that it is in. */
static int open_watched(struct file_job *job) {
  struct watch_state *state = &job->u.watch;
  struct place place;
  struct stat st;
  int path_fd = resolve(job->path);
  if (path_fd < 0) return path_fd;
  bool is_directory = fstat(path_fd, &st) == 0 && S_ISDIR(st.st_mode);
  int fd = is_directory ? open_directory(path_fd) : -ENOTDIR;
  close(path_fd);
  if (is_directory) return fd;
  int error = resolve_place(job->path, false, &place);
  if (error < 0) return error;
  memcpy(state->only, place.name, sizeof state->only);
  state->is_recursive = false;
  fd = open_directory(place.dir);
  place_close(&place);
  return fd;
}

void watch_start(struct file_job *job, const struct file_args *args) {
  (void)args;
  struct watch_state *state = &job->u.watch;
  struct stat st;
  memset(state, 0, offsetof(struct watch_state, tree));
  state->has_from = false;
  state->events_at = state->events_end = 0;
  state->inotify = state->tree.fd = -1;
  state->is_recursive = (job->flags & FILE_RECURSIVE) != 0;
  state->path = job->path;
  int root = open_watched(job);
  if (root < 0) {
    job_fail_path(job, root);
    return;
  }
  int error = watches >= MAX_WATCHES ? -EMFILE : 0;
  if (error == 0) {
    watches++;
    state->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (state->inotify < 0) {
      error = -errno;
      watches--;
    }
  }
  if (error == 0) {
    void *memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) error = -errno;
    else state->memory = memory;
  }
  if (error == 0) error = watch_add(state, root, 0, "", false);
  if (fstat(root, &st) == 0) {
    state->device = st.st_dev;
    state->inode = st.st_ino;
  }
  close(root);
  if (error < 0) job_end(job, error == -ENOSPC ? -EMFILE : error, 0, NULL, 0);
  else job->is_ready = true;
}

void watch_close(struct file_job *job) {
  struct watch_state *state = &job->u.watch;
  tree_end(&state->tree);
  if (state->inotify >= 0) {
    close(state->inotify);
    watches--;
  }
  if (state->memory != NULL) munmap(state->memory, MEMORY_BYTES);
  state->inotify = -1;
  state->memory = NULL;
}
