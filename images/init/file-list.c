/* LIST and GREP: the entries of a directory, or of a tree down to a depth, each directory before its content.
 * The names of each level on the way stand in one arena. A directory whose names don't fit in its share (half of
 * what is left, all of it at the last level: about 500,000 names of 20 bytes) is read, sorted and sent in chunks,
 * so that it is in order only within each. `seen` counts every entry of the directories that were read. What
 * could not be read, or has a path too long to be named, makes the list truncated. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file-job.h"
#include "file-reply.h"
#include "frame.h"

enum { SHARE_MIN = 4096, LOAD_PORTION = 128, SORT_PORTION = 4096, ENTRY_HEADER = STAT_BYTES + 4 };
enum progress { GO_ON, FULL, DONE };

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

static void skip(struct list_state *state, uint8_t why) {
  state->why |= why;
  state->skipped++;
}

void list_begin_level(struct list_state *state) {
  level_of(state)->rules = state->filter.rules;
  filter_enter(&state->filter, state->tree.fd, state->tree.level[state->tree.depth].length);
  begin_load(state);
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
    if (found > 0 && names_add(&level->names, entry.name, strlen(entry.name), entry.type)) {
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
    skip(state, LIST_WHY_UNREAD);
    return;
  }
  level_of(state)->base = base;
  list_begin_level(state);
}

static enum progress go_up(struct list_state *state) {
  char name[MAX_NAME_BYTES + 1];
  struct list_level *level = level_of(state);
  if (level->has_more) {
    begin_load(state);
    if (tree_seek(&state->tree) == 0) return GO_ON;
    skip(state, LIST_WHY_UNREAD);
  }
  filter_leave(&state->filter, level->rules);
  if (state->tree.depth == 0) return DONE;
  if (tree_leave(&state->tree, name) == 0) return GO_ON;
  /* The directory is no more where it was: what is left of it is not listed. */
  skip(state, LIST_WHY_UNREAD);
  level_of(state)->index = level_of(state)->names.count;
  level_of(state)->has_more = false;
  return GO_ON;
}

/* While the walk has yet to come past the entry it goes on after: -1 it is before it, 0 on the way to it, 1 past it. */
static int place_of(struct list_state *state, const char *name) {
  if (state->after == NULL) return 1;
  size_t size = strcspn(state->after, "/");
  int order = strncmp(name, state->after, size);
  if (order == 0 && name[size] != '\0') order = 1;
  if (order < 0) return -1;
  if (order > 0 || state->after[size] == '\0') state->after = NULL;
  else state->after += size + 1;
  return order > 0 ? 1 : 0;
}

static enum progress search(struct list_state *state, struct output *out) {
  size_t parent = state->tree.level[state->tree.depth].length;
  enum grep_progress progress = grep_go(state->grep, out, state->tree.path, parent, state->searched);
  if (progress == GREP_MORE) return GO_ON;
  if (progress == GREP_FULL) return FULL;
  grep_close(state->grep);
  bool is_all = state->searched[0] == '\0';
  state->searched = NULL;
  if (progress == GREP_ENOUGH) state->why |= LIST_WHY_LIMIT;
  return progress == GREP_ENOUGH || is_all ? DONE : GO_ON;
}

/* What is to be done with an entry that counts: whether there was room for it. */
static bool take(struct list_state *state, struct output *out, const char *name, const struct stat *st) {
  if (state->grep != NULL) {
    if (!S_ISREG(st->st_mode)) return true;
    int error = grep_begin(state->grep, state->tree.fd, name);
    if (error == 0) state->searched = name;
    else if (error != -ENOENT) skip(state, LIST_WHY_UNREAD);
    return true;
  }
  size_t size = put_entry(state, out, name, st);
  if (size == 0) return false;
  out->used += size;
  state->sent++;
  return true;
}

/* What an entry is: 1, or 0 if it is not to be looked at, which is then done with. GREP trusts the directory's word for
 * the kind of a file, because it looks again when it has opened it. */
static int look(struct list_state *state, const char *name, uint8_t type, struct stat *st, unsigned *verdict) {
  size_t parent = state->tree.level[state->tree.depth].length;
  const char *dir = state->tree.path;
  bool is_known = type != DT_UNKNOWN;
  *st = (struct stat){.st_mode = DTTOIF(type)};
  if (is_known) *verdict = filter_judge(&state->filter, dir, parent, name, type == DT_DIR);
  if (is_known && *verdict == 0) return 0;
  if (parent + 1 + strlen(name) > MAX_PATH_BYTES) {
    skip(state, LIST_WHY_UNREAD);
    return 0;
  }
  bool is_passed = type == DT_DIR && (state->wants_files || (*verdict & FILTER_TAKE) == 0);
  bool is_enough = is_known && (state->grep != NULL || is_passed);
  if (!is_enough && fstatat(state->tree.fd, name, st, AT_SYMLINK_NOFOLLOW) < 0) {
    if (errno == ENOENT) state->seen--;
    else skip(state, LIST_WHY_UNREAD);
    return 0;
  }
  if (!is_known) *verdict = filter_judge(&state->filter, dir, parent, name, S_ISDIR(st->st_mode));
  return *verdict != 0;
}

static enum progress emit(struct list_state *state, struct output *out) {
  if (state->searched != NULL) return search(state, out);
  struct list_level *level = level_of(state);
  struct stat st;
  unsigned verdict = 0;
  if (level->index == level->names.count) return go_up(state);
  const char *name = names_at(&level->names, level->index);
  const char *after = state->after;
  int place = place_of(state, name);
  if (place < 0 || look(state, name, names_type(&level->names, level->index), &st, &verdict) == 0) {
    level->index++;
    return GO_ON;
  }
  bool is_directory = S_ISDIR(st.st_mode);
  if (place > 0 && (verdict & FILTER_TAKE) != 0 && !(is_directory && state->wants_files)) {
    if (state->grep == NULL && state->max_entries > 0 && state->sent == state->max_entries) {
      state->why |= LIST_WHY_LIMIT;
      return DONE;
    }
    if (!take(state, out, name, &st)) {
      state->after = after;
      return FULL;
    }
  }
  level->index++;
  if (!is_directory || (verdict & FILTER_DESCEND) == 0) return GO_ON;
  if (state->tree.depth < state->max_depth) go_down(state, name);
  else if (state->max_depth == MAX_LIST_DEPTH) skip(state, LIST_WHY_DEPTH);
  return GO_ON;
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
  else if (progress == DONE) list_end(job);
  else if (progress == FULL && out.used == 0) job->is_ready = false;
}
