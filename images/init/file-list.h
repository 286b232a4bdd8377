/* State of a LIST, see file-list.c. */
#ifndef CLOISTER_FILE_LIST_H
#define CLOISTER_FILE_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "file-names.h"
#include "file-tree.h"

enum { MAX_LIST_DEPTH = 64, LIST_ARENA_BYTES = 16 * 1024 * 1024 };

enum list_phase { LIST_LOAD, LIST_SORT, LIST_EMIT };

struct list_level { /* beside the cursor's own */
  struct names names;
  uint32_t index;    /* of the next name to send */
  uint32_t base;     /* of its part of the arena */
  uint32_t end;
  bool has_more;     /* the directory is not read to its end */
};

struct list_state {
  uint8_t *arena;
  enum list_phase phase;
  uint32_t max_depth;
  bool is_truncated;
  uint64_t max_entries; /* 0: no limit */
  uint64_t sent;
  uint64_t seen;
  int root;
  struct tree tree;
  struct list_level level[MAX_LIST_DEPTH + 1];
};

#endif
