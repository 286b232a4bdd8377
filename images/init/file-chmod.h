/* State of a CHMOD, see file-chmod.c. */
#ifndef CLOISTER_FILE_CHMOD_H
#define CLOISTER_FILE_CHMOD_H

#include <stdint.h>

#include "file-tree.h"

struct chmod_state {
  uint32_t mode;
  uint64_t changed;
  uint64_t failed; /* not ours to change, or gone meanwhile, or too deep */
  int root;
  struct tree tree;
};

#endif
