/* Which entries of a walk count: the caller's globs, and the rules of .gitignore files on the way. */
#ifndef CLOISTER_FILE_FILTER_H
#define CLOISTER_FILE_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol.h"

enum {
  MAX_RULES = 4096,
  RULE_TEXT_BYTES = 128 * 1024,
  IGNORE_FILE_BYTES = 64 * 1024,
  MAX_FULL_PATH = 2 * MAX_PATH_BYTES + 1,
  FILTER_BYTES = 256 * 1024 /* of the caller's memory: rules and their text */
};

struct rule {
  uint32_t text;   /* where its pattern stands */
  uint16_t length;
  uint16_t base;   /* bytes of the path that lead to its .gitignore, the slash included */
  uint8_t flags;
};

struct filter {
  const uint8_t *globs;  /* u16 length and bytes each; one that begins with `!` excludes */
  size_t globs_bytes;
  bool is_ignoring;
  bool has_dropped;      /* rules there was no room for */
  uint8_t *memory;
  uint32_t rules;
  uint32_t text;
  size_t prefix;         /* bytes of `path` that lead to the walk's root, a slash included if there are any */
  char path[MAX_FULL_PATH + 1]; /* from the workspace */
};

/* False: the list of globs is malformed. */
bool filter_open(struct filter *filter, const char *root, const uint8_t *globs, size_t globs_bytes, uint8_t *memory);

/* Takes in the .gitignore of the open directory, if there is one that can be read; `length`: of its path from the walk's root. */
void filter_enter(struct filter *filter, int dir, size_t length);
/* The same for the directories above the walk's root. */
void filter_enter_ancestors(struct filter *filter);
/* Forgets the rules after the first `rules`, which was the number before the directory was entered. */
void filter_leave(struct filter *filter, uint32_t rules);

enum { FILTER_TAKE = 1, FILTER_DESCEND = 2 };
/* What to do with `name` in `dir` (a path from the walk's root): bits of FILTER_*. */
unsigned filter_judge(struct filter *filter, const char *dir, size_t dir_length, const char *name, bool is_directory);

#endif
