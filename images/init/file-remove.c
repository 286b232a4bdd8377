/* REMOVE: a file, or a tree of any depth. Every name is taken away by unlinkat in an open directory, so a
 * symlink is removed and never followed. A subdirectory too deep for the cursor is renamed up to the root of
 * the tree and found there again. */
#define _GNU_SOURCE
#include "file-remove.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "file-job.h"
#include "frame.h"

enum { MAX_DEPTH = 256, MAX_REPEATS = 1000 };

int removal_begin(struct removal *removal, const struct place *place) {
  removal->place = *place;
  removal->repeats = 0;
  removal->removed = 0;
  removal->tree.fd = -1;
  removal->root = tree_open_child(place->dir, place->name, true);
  return removal->root < 0 ? removal->root : tree_begin(&removal->tree, removal->root);
}

void removal_end(struct removal *removal) {
  tree_end(&removal->tree);
  if (removal->root >= 0) close(removal->root);
  removal->root = -1;
}

/* What unlinkat(2) said: true if the entry is gone. */
static bool is_gone(struct removal *removal, int result) {
  if (result == 0) removal->removed++;
  return result == 0 || errno == ENOENT;
}

/* Someone puts files in as fast as they are taken out: that has an end. */
static int repeat(struct removal *removal) { return ++removal->repeats > MAX_REPEATS ? -ENOTEMPTY : 0; }

static int lift(struct removal *removal, const char *name) {
  char lifted[TEMPORARY_NAME_BYTES];
  int error = temporary_name(lifted);
  if (error < 0) return error;
  error = rename_entry(removal->tree.fd, name, removal->root, lifted, true);
  return error == -ENOENT ? 0 : error;
}

static int take_directory(struct removal *removal, const char *name) {
  struct tree *tree = &removal->tree;
  if (is_gone(removal, unlinkat(tree->fd, name, AT_REMOVEDIR))) return 0;
  if (errno != ENOTEMPTY && errno != EEXIST) return errno == ENOTDIR ? repeat(removal) : -errno;
  int fd = tree_open_child(tree->fd, name, true);
  if (fd < 0) return fd == -ENOENT || fd == -ENOTDIR ? repeat(removal) : fd;
  if (tree->depth < MAX_DEPTH && tree_enter(tree, name, fd) == 0) return 0;
  close(fd);
  return lift(removal, name);
}

static int take_entry(struct removal *removal, const struct tree_entry *entry) {
  if (entry->type == DT_DIR) return take_directory(removal, entry->name);
  if (is_gone(removal, unlinkat(removal->tree.fd, entry->name, 0))) return 0;
  return errno == EISDIR ? take_directory(removal, entry->name) : -errno;
}

static int restart(struct removal *removal) {
  tree_end(&removal->tree);
  int error = repeat(removal);
  return error < 0 ? error : tree_begin(&removal->tree, removal->root);
}

/* A level was read to its end: 0 gone up, 1 all gone, or a negative errno. */
static int take_level(struct removal *removal) {
  struct tree *tree = &removal->tree;
  char name[MAX_NAME_BYTES + 1];
  if (tree->depth == 0) {
    if (is_gone(removal, unlinkat(removal->place.dir, removal->place.name, AT_REMOVEDIR))) return 1;
    if (errno != ENOTEMPTY && errno != EEXIST) return -errno;
    int error = tree_rewind(tree);
    return error < 0 ? error : repeat(removal);
  }
  if (tree_leave(tree, name) < 0) return restart(removal);
  if (is_gone(removal, unlinkat(tree->fd, name, AT_REMOVEDIR))) return 0;
  int error = repeat(removal);
  return error < 0 ? error : take_directory(removal, name);
}

int removal_step(struct removal *removal, uint64_t begun) {
  struct tree_entry entry;
  int error = 0;
  do {
    int found = tree_next(&removal->tree, &entry);
    if (found == -ENOENT) error = restart(removal); /* the level was removed under the cursor */
    else if (found < 0) error = found;
    else error = found > 0 ? take_entry(removal, &entry) : take_level(removal);
    if (error > 0) return 0;
  } while (error == 0 && !step_is_over(begun));
  return error < 0 ? error : 1;
}

static void end(struct file_job *job, int error) {
  uint8_t removed[8];
  put_u64(removed, job->u.removal.removed);
  job_end(job, error, 0, removed, sizeof removed);
}

void remove_start(struct file_job *job, const struct file_args *args) {
  (void)args;
  struct removal *removal = &job->u.removal;
  struct place place;
  removal->root = -1;
  removal->tree.fd = -1;
  removal->place.dir = -1;
  removal->removed = 0;
  int error = resolve_place(job->path, false, &place);
  if (error < 0) {
    job_fail_path(job, error);
    return;
  }
  error = unlinkat(place.dir, place.name, 0) < 0 ? -errno : 0;
  if (error == -EISDIR && (job->flags & FILE_EXCLUSIVE) != 0)
    error = unlinkat(place.dir, place.name, AT_REMOVEDIR) < 0 ? -errno : 0;
  if (error != -EISDIR || (job->flags & FILE_RECURSIVE) == 0) {
    place_close(&place);
    removal->removed = error == 0;
    end(job, error);
    return;
  }
  error = removal_begin(removal, &place);
  if (error < 0) end(job, error);
  else job->is_ready = true;
}

void remove_step(struct file_job *job) {
  int more = removal_step(&job->u.removal, step_begin());
  if (more <= 0) end(job, more);
}

void remove_close(struct file_job *job) {
  removal_end(&job->u.removal);
  place_close(&job->u.removal.place);
}
