/* State of a LIST or GREP, see file-list.c. */
#ifndef CLOISTER_FILE_LIST_H
#define CLOISTER_FILE_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "file-filter.h"
#include "file-grep.h"
#include "file-names.h"
#include "file-tree.h"

enum { MAX_LIST_DEPTH = 64, LIST_ARENA_BYTES = 16 * 1024 * 1024, MAX_EXTRA = 48 * 1024 };

enum list_phase { LIST_LOAD, LIST_SORT, LIST_EMIT };

struct list_level { /* beside the cursor's own */
  struct names names;
  uint32_t index;    /* of the next name to send */
  uint32_t base;     /* of its part of the arena */
  uint32_t end;
  uint32_t rules;    /* of the filter, before it was entered */
  bool has_more;     /* the directory is not read to its end */
};

struct list_state {
  uint8_t *arena;      /* names, then the filter's memory, then `extra`, then grep's */
  size_t arena_bytes;
  enum list_phase phase;
  uint32_t max_depth;
  uint8_t why;          /* bits of LIST_WHY_*: what made it incomplete */
  bool wants_files;     /* directories are not sent */
  uint64_t max_entries; /* 0: no limit */
  uint64_t sent;
  uint64_t seen;
  uint64_t skipped;     /* what was not looked into, or could not be named */
  const char *after;    /* what is left of the path that it goes on after; NULL: it is past it */
  struct grep *grep;    /* NULL: it is a LIST */
  const char *searched; /* name of the file that grep is in, NULL: none */
  int root;
  struct filter filter;
  struct tree tree;
  struct list_level level[MAX_LIST_DEPTH + 1];
  char resume[MAX_PATH_BYTES + 1];
};

/* The level that the cursor has come into. */
void list_begin_level(struct list_state *state);

#endif
