/* The directories of one WATCH: which inotify number is which path. */
#ifndef CLOISTER_FILE_WATCH_TABLE_H
#define CLOISTER_FILE_WATCH_TABLE_H

#include "file-watch.h"

struct watched *watched_at(const struct watch_state *state, uint32_t index);
/* NULL: none that lives. */
struct watched *watched_find(const struct watch_state *state, int32_t wd);
struct watched *watched_child(const struct watch_state *state, int32_t parent, const char *name);
/* A new one, or the one that has this number with its place changed. NULL: there is no room. */
struct watched *watched_put(struct watch_state *state, int32_t wd, int32_t parent, const char *name);
/* It and all below it; with `rm` they are no longer watched either. */
void watched_forget(struct watch_state *state, struct watched *watched, bool rm);
/* The path of `name` in a directory, from the root, into MAX_PATH_BYTES + 1 bytes; its length, or -1 if it has none. */
int watched_path(const struct watch_state *state, int32_t wd, const char *name, char *out);

#endif
