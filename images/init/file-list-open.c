/* The beginning and the end of a LIST or GREP: what it is asked for, the memory it works in, and what it sums up to. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file-job.h"
#include "file-reply.h"
#include "frame.h"

enum { LIST_END_BYTES = 56 };

/* A directory for reading, or what GREP may also be given: a regular file, told by `is_file`. */
static int open_root(struct file_job *job, bool *is_file) {
  struct stat st;
  int path_fd = resolve(job->path);
  if (path_fd < 0) return path_fd;
  int fd = fstat(path_fd, &st) < 0 ? -errno : S_ISDIR(st.st_mode) ? open_directory(path_fd) : -EISDIR;
  *is_file = fd == -EISDIR && job->op == FILE_GREP;
  if (*is_file) fd = open_regular(path_fd, O_RDONLY);
  close(path_fd);
  return fd;
}

static int take_arena(struct file_job *job) {
  struct list_state *state = &job->u.list;
  size_t grep_bytes = job->op == FILE_GREP ? sizeof(struct grep) + GREP_BUFFER_BYTES + REGEX_BYTES : 0;
  state->arena_bytes = LIST_ARENA_BYTES + FILTER_BYTES + MAX_EXTRA + grep_bytes;
  void *arena = mmap(NULL, state->arena_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (arena == MAP_FAILED) return -errno;
  state->arena = arena;
  return 0;
}

/* Opens the filter and, for GREP, the search. */
static int take_extra(struct file_job *job, const struct file_args *args) {
  struct list_state *state = &job->u.list;
  uint8_t *filter = state->arena + LIST_ARENA_BYTES;
  uint8_t *extra = filter + FILTER_BYTES;
  size_t globs = args->extra_bytes;
  memcpy(extra, args->extra, args->extra_bytes);
  if (job->op == FILE_GREP) {
    if (args->extra_bytes < 2 || args->extra_bytes - 2 < get_u16(extra)) return -EINVAL;
    globs = get_u16(extra);
    extra += 2;
    uint8_t *memory = state->arena + LIST_ARENA_BYTES + FILTER_BYTES + MAX_EXTRA;
    state->grep = (struct grep *)(void *)(memory + REGEX_BYTES);
    grep_open(state->grep, memory + REGEX_BYTES + sizeof(struct grep));
    state->grep->before = args->mode & 0xff;
    state->grep->after = args->mode >> 8;
    state->grep->max_matches = args->length;
    state->grep->max_per_file = args->offset;
    if (state->grep->before > MAX_CONTEXT || state->grep->after > MAX_CONTEXT) return -EINVAL;
    if (!regex_open(&state->grep->regex, extra + globs, args->extra_bytes - 2 - globs, memory)) return -EINVAL;
  }
  state->filter.is_ignoring = false;
  if (!filter_open(&state->filter, job->path, extra, globs, filter)) return -EINVAL;
  state->filter.is_ignoring = (job->flags & FILE_IGNORE) != 0;
  return 0;
}

void list_start(struct file_job *job, const struct file_args *args) {
  struct list_state *state = &job->u.list;
  bool is_file = false;
  memset(state, 0, offsetof(struct list_state, filter));
  state->root = -1;
  state->tree.fd = -1;
  state->tree.depth = 0;
  state->tree.level[0].length = 0;
  state->max_depth = args->depth;
  state->max_entries = args->length;
  state->wants_files = (job->flags & FILE_ONLY_FILES) != 0;
  if (args->path2[0] != '\0') state->after = strcpy(state->resume, args->path2);
  int error = args->depth > MAX_LIST_DEPTH || args->extra_bytes > MAX_EXTRA ? -EINVAL : take_arena(job);
  if (error == 0) error = take_extra(job, args);
  if (error < 0) {
    job_end(job, error, 0, NULL, 0);
    return;
  }
  state->root = open_root(job, &is_file);
  if (state->root < 0) {
    if (state->root == -EISDIR) job_end(job, -ENOTDIR, 0, NULL, 0); /* the path itself is none */
    else job_fail_path(job, state->root);
    return;
  }
  job->is_ready = true;
  if (is_file) {
    /* One file and no walk: it is searched by the name that it has for the caller. */
    error = grep_begin_open(state->grep, state->root);
    state->root = -1;
    state->searched = "";
    state->phase = LIST_EMIT;
  } else {
    error = tree_begin(&state->tree, state->root);
    filter_enter_ancestors(&state->filter);
    if (error == 0) list_begin_level(state);
  }
  if (error < 0) job_end(job, error, 0, NULL, 0);
}

void list_close(struct file_job *job) {
  struct list_state *state = &job->u.list;
  tree_end(&state->tree);
  if (state->grep != NULL) grep_close(state->grep);
  if (state->root >= 0) close(state->root);
  if (state->arena != NULL) munmap(state->arena, state->arena_bytes);
  state->root = -1;
  state->arena = NULL;
  state->grep = NULL;
}

static void finish(struct file_job *job, int error) {
  const struct list_state *state = &job->u.list;
  static const struct grep_totals nothing;
  const struct grep_totals *totals = state->grep == NULL ? &nothing : &state->grep->totals;
  uint8_t extra[LIST_END_BYTES] = {0};
  uint8_t why = state->why;
  if (state->filter.has_dropped) why |= LIST_WHY_RULES;
  if (totals->cut > 0) why |= LIST_WHY_CUT;
  if (state->grep != NULL && state->grep->is_cut_short) why |= LIST_WHY_PER_FILE;
  put_u64(extra, state->seen);
  extra[8] = why;
  put_u64(extra + 16, state->skipped);
  put_u64(extra + 24, totals->files);
  put_u64(extra + 32, totals->binary);
  put_u64(extra + 40, totals->matches);
  put_u64(extra + 48, totals->cut);
  job_end(job, error, 0, extra, sizeof extra);
}

void list_end(struct file_job *job) { finish(job, 0); }

void list_cancel(struct file_job *job) { finish(job, -ECANCELED); }
