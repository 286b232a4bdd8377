/* LIST: the entries of a directory, or of a tree down to a depth, each directory before its content.
 * The names of each level on the way stand in one arena. A directory whose names don't fit in its share (half of
 * what is left, all of it at the last level: about 500,000 names of 20 bytes) is read, sorted and sent in chunks,
 * so that it is in order only within each. `seen` counts every entry of the directories that were read. What
 * could not be read, or has a path too long to be named, makes the list truncated. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file-job.h"
#include "file-reply.h"
#include "frame.h"

enum { SHARE_MIN = 4096, LOAD_PORTION = 128, SORT_PORTION = 4096, ENTRY_HEADER = STAT_BYTES + 4 };
enum progress { GO_ON, FULL, DONE };

struct output { /* the frame being filled */
  uint8_t *bytes;
  size_t used;
  size_t room;
};

static struct list_level *level_of(struct list_state *state) { return &state->level[state->tree.depth]; }

static void begin_load(struct list_state *state) {
  struct list_level *level = level_of(state);
  uint32_t depth = state->tree.depth;
  uint32_t left = LIST_ARENA_BYTES - level->base;
  uint32_t share = left;
  if (depth < state->max_depth) {
    share = (left - SHARE_MIN * (MAX_LIST_DEPTH - depth)) / 2;
    if (share < SHARE_MIN) share = SHARE_MIN;
  }
  names_begin(&level->names, state->arena + level->base, share);
  level->index = 0;
  level->has_more = false;
  state->phase = LIST_LOAD;
}

static int open_root(struct file_job *job) {
  struct stat st;
  int path_fd = resolve(job->path);
  if (path_fd < 0) return path_fd;
  int fd = fstat(path_fd, &st) < 0 ? -errno : S_ISDIR(st.st_mode) ? open_directory(path_fd) : -EISDIR;
  close(path_fd);
  return fd;
}

void list_start(struct file_job *job, const struct file_args *args) {
  struct list_state *state = &job->u.list;
  state->arena = NULL;
  state->root = -1;
  state->tree.fd = -1;
  state->max_depth = args->depth;
  state->max_entries = args->length;
  state->is_truncated = false;
  state->sent = 0;
  state->seen = 0;
  if (args->depth > MAX_LIST_DEPTH) {
    job_end(job, -EINVAL, 0, NULL, 0);
    return;
  }
  state->root = open_root(job);
  if (state->root < 0) {
    if (state->root == -EISDIR) job_end(job, -ENOTDIR, 0, NULL, 0); /* the path itself is none */
    else job_fail_path(job, state->root);
    return;
  }
  int error = tree_begin(&state->tree, state->root);
  void *arena = mmap(NULL, LIST_ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (error == 0 && arena == MAP_FAILED) error = -errno;
  if (arena != MAP_FAILED) state->arena = arena;
  if (error < 0) {
    job_end(job, error, 0, NULL, 0);
    return;
  }
  state->level[0].base = 0;
  begin_load(state);
  job->is_ready = true;
}

void list_close(struct file_job *job) {
  struct list_state *state = &job->u.list;
  tree_end(&state->tree);
  if (state->root >= 0) close(state->root);
  if (state->arena != NULL) munmap(state->arena, LIST_ARENA_BYTES);
  state->root = -1;
  state->arena = NULL;
}

static int load(struct list_state *state) {
  struct list_level *level = level_of(state);
  struct tree_level *position = &state->tree.level[state->tree.depth];
  struct tree_entry entry;
  for (int i = 0; i < LOAD_PORTION; i++) {
    int64_t before = position->next;
    int found = tree_next(&state->tree, &entry);
    if (found == -ENOENT) found = 0; /* the directory was removed meanwhile */
    if (found < 0) return found;
    if (found > 0 && names_add(&level->names, entry.name, strlen(entry.name))) {
      state->seen++;
      continue;
    }
    level->has_more = found > 0;
    if (found > 0) position->next = before;
    level->end = level->base + names_seal(&level->names);
    state->phase = LIST_SORT;
    return 0;
  }
  return 0;
}

static size_t put_entry(struct list_state *state, struct output *out, const char *name, const struct stat *st) {
  char target[MAX_PATH_BYTES];
  ssize_t target_bytes = 0;
  size_t parent = state->tree.level[state->tree.depth].length;
  size_t name_bytes = strlen(name);
  size_t path_bytes = parent + (parent > 0) + name_bytes;
  if (S_ISLNK(st->st_mode)) {
    target_bytes = readlinkat(state->tree.fd, name, target, sizeof target);
    if (target_bytes < 0) target_bytes = 0; /* it was replaced meanwhile */
  }
  size_t size = ENTRY_HEADER + path_bytes + (size_t)target_bytes;
  if (size > out->room - out->used) return 0;
  uint8_t *at = out->bytes + out->used;
  put_stat(at, st);
  put_u16(at + STAT_BYTES, (uint16_t)path_bytes);
  put_u16(at + STAT_BYTES + 2, (uint16_t)target_bytes);
  at += ENTRY_HEADER;
  memcpy(at, state->tree.path, parent);
  if (parent > 0) at[parent] = '/';
  memcpy(at + path_bytes - name_bytes, name, name_bytes);
  memcpy(at + path_bytes, target, (size_t)target_bytes);
  return size;
}

static void go_down(struct list_state *state, const char *name) {
  uint32_t base = level_of(state)->end;
  int fd = tree_open_child(state->tree.fd, name, false);
  if (fd < 0 || tree_enter(&state->tree, name, fd) < 0) {
    if (fd >= 0) close(fd);
    state->is_truncated = true;
    return;
  }
  level_of(state)->base = base;
  begin_load(state);
}

static enum progress go_up(struct list_state *state) {
  char name[MAX_NAME_BYTES + 1];
  struct list_level *level = level_of(state);
  if (level->has_more) {
    begin_load(state);
    if (tree_seek(&state->tree) == 0) return GO_ON;
    state->is_truncated = true;
  }
  if (state->tree.depth == 0) return DONE;
  if (tree_leave(&state->tree, name) == 0) return GO_ON;
  /* The directory is no more where it was: what is left of it is not listed. */
  state->is_truncated = true;
  level_of(state)->index = level_of(state)->names.count;
  level_of(state)->has_more = false;
  return GO_ON;
}

static enum progress emit(struct list_state *state, struct output *out) {
  struct list_level *level = level_of(state);
  struct stat st;
  if (level->index == level->names.count) return go_up(state);
  if (state->max_entries > 0 && state->sent == state->max_entries) {
    state->is_truncated = true;
    return DONE;
  }
  const char *name = names_at(&level->names, level->index);
  size_t parent = state->tree.level[state->tree.depth].length;
  if (parent + 1 + strlen(name) > MAX_PATH_BYTES) {
    state->is_truncated = true;
    level->index++;
    return GO_ON;
  }
  if (fstatat(state->tree.fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
    if (errno == ENOENT) state->seen--;
    else state->is_truncated = true;
    level->index++;
    return GO_ON;
  }
  size_t size = put_entry(state, out, name, &st);
  if (size == 0) return FULL;
  out->used += size;
  state->sent++;
  level->index++;
  if (S_ISDIR(st.st_mode) && state->tree.depth < state->max_depth) go_down(state, name);
  return GO_ON;
}

static void end_list(struct file_job *job) {
  uint8_t extra[9];
  put_u64(extra, job->u.list.seen);
  extra[8] = job->u.list.is_truncated ? 1 : 0;
  job_end(job, 0, 0, extra, sizeof extra);
}

void list_step(struct file_job *job) {
  struct list_state *state = &job->u.list;
  struct output out = {.bytes = reply_data(), .room = job_credit(job)};
  enum progress progress = GO_ON;
  int error = 0;
  uint64_t begun = step_begin();
  do {
    if (state->phase == LIST_LOAD) error = load(state);
    else if (state->phase == LIST_EMIT) progress = emit(state, &out);
    else if (names_sort_step(&level_of(state)->names, SORT_PORTION)) state->phase = LIST_EMIT;
  } while (error == 0 && progress == GO_ON && !step_is_over(begun));
  if (out.used > 0) reply_data_commit(job->id, out.used);
  job->sent += out.used;
  if (error < 0) job_end(job, error, 0, NULL, 0);
  else if (progress == DONE) end_list(job);
  else if (progress == FULL && out.used == 0) job->is_ready = false;
}
