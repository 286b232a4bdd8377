/* Taking a tree away, in steps. */
#ifndef CLOISTER_FILE_REMOVE_H
#define CLOISTER_FILE_REMOVE_H

#include <stdbool.h>
#include <stdint.h>

#include "file-resolve.h"
#include "file-tree.h"

struct removal {
  int root;          /* of the tree, -1: none */
  uint32_t repeats;  /* looks at a directory that was not empty after all */
  uint64_t removed;  /* entries */
  struct place place;
  struct tree tree;
};

/* `place` names the directory; its descriptor stays the caller's. 0 or a negative errno. */
int removal_begin(struct removal *removal, const struct place *place);
/* Works until the time of the step is over: 1 more to do, 0 gone, or a negative errno. */
int removal_step(struct removal *removal, uint64_t begun);
void removal_end(struct removal *removal);

#endif
