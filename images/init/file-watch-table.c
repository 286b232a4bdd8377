#define _GNU_SOURCE
#include "file-watch-table.h"

#include <string.h>
#include <sys/inotify.h>

enum { NAMES_AT = MAX_WATCHED * sizeof(struct watched) };

struct watched *watched_at(const struct watch_state *state, uint32_t index) {
  return (struct watched *)(void *)state->memory + index;
}

static const char *name_of(const struct watch_state *state, const struct watched *watched) {
  return (const char *)state->memory + NAMES_AT + watched->name;
}

struct watched *watched_find(const struct watch_state *state, int32_t wd) {
  uint32_t low = 0;
  uint32_t high = state->count;
  while (low < high) {
    uint32_t middle = (low + high) / 2;
    if (watched_at(state, middle)->wd < wd) low = middle + 1;
    else high = middle;
  }
  struct watched *found = watched_at(state, low);
  return low < state->count && found->wd == wd && !found->is_dead ? found : NULL;
}

struct watched *watched_child(const struct watch_state *state, int32_t parent, const char *name) {
  for (uint32_t i = 0; i < state->count; i++) {
    struct watched *watched = watched_at(state, i);
    if (!watched->is_dead && watched->parent == parent && strcmp(name_of(state, watched), name) == 0) return watched;
  }
  return NULL;
}

/* Drops the dead and their names. Names stand in the order of the table unless one was renamed: then not all that is
 * dead is won back, until the rest moves as well. */
static void compact(struct watch_state *state) {
  static uint8_t names[WATCH_NAME_BYTES];
  uint32_t kept = 0;
  uint32_t bytes = 0;
  for (uint32_t i = 0; i < state->count; i++) {
    struct watched watched = *watched_at(state, i);
    if (watched.is_dead) {
      if (i < state->scan) state->scan--;
      continue;
    }
    size_t size = strlen(name_of(state, &watched)) + 1;
    memcpy(names + bytes, name_of(state, &watched), size);
    watched.name = bytes;
    bytes += (uint32_t)size;
    *watched_at(state, kept++) = watched;
  }
  memcpy(state->memory + NAMES_AT, names, bytes);
  state->count = kept;
  state->name_bytes = bytes;
}

struct watched *watched_put(struct watch_state *state, int32_t wd, int32_t parent, const char *name) {
  size_t size = strlen(name) + 1;
  if (state->name_bytes + size > WATCH_NAME_BYTES || state->count == MAX_WATCHED) compact(state);
  struct watched *watched = watched_find(state, wd);
  if (state->name_bytes + size > WATCH_NAME_BYTES || (watched == NULL && state->count == MAX_WATCHED)) return NULL;
  if (watched == NULL) {
    /* The kernel counts up; a number that does not is no use to the search. */
    if (state->count > 0 && watched_at(state, state->count - 1)->wd >= wd) return NULL;
    watched = watched_at(state, state->count++);
    *watched = (struct watched){.wd = wd};
  }
  watched->parent = parent;
  watched->name = state->name_bytes;
  memcpy(state->memory + NAMES_AT + state->name_bytes, name, size);
  state->name_bytes += (uint32_t)size;
  return watched;
}

void watched_forget(struct watch_state *state, struct watched *first, bool rm) {
  first->is_dead = true;
  if (rm) inotify_rm_watch(state->inotify, first->wd);
  for (bool is_changed = true; is_changed;) {
    is_changed = false;
    for (uint32_t i = 0; i < state->count; i++) {
      struct watched *watched = watched_at(state, i);
      if (watched->is_dead || watched->parent == 0 || watched_find(state, watched->parent) != NULL) continue;
      watched->is_dead = is_changed = true;
      if (rm) inotify_rm_watch(state->inotify, watched->wd);
    }
  }
}

int watched_path(const struct watch_state *state, int32_t wd, const char *name, char *out) {
  size_t at = MAX_PATH_BYTES;
  size_t size = strlen(name);
  if (size > at) return -1;
  at -= size;
  memcpy(out + at, name, size);
  const struct watched *watched = watched_find(state, wd);
  for (int depth = 0; watched != NULL && watched->parent != 0; depth++) {
    const char *part = name_of(state, watched);
    size = strlen(part);
    size_t slash = at < MAX_PATH_BYTES;
    if (depth > MAX_PATH_BYTES || size + slash > at) return -1;
    if (slash > 0) out[--at] = '/';
    at -= size;
    memcpy(out + at, part, size);
    watched = watched_find(state, watched->parent);
  }
  if (watched == NULL) return -1;
  size = MAX_PATH_BYTES - at;
  memmove(out, out + at, size);
  out[size] = '\0';
  return (int)size;
}
