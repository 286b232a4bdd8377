/* A cursor over a directory tree: one descriptor and one path below a root, whatever the depth. No symlink is
 * ever followed. Knows no operation. */
#ifndef CLOISTER_FILE_TREE_H
#define CLOISTER_FILE_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol.h"

enum { MAX_LEVELS = MAX_PATH_BYTES / 2 + 1, DENTS_BYTES = 4096 };

struct tree_level {
  int64_t next;    /* position in the directory */
  uint16_t length; /* of the path that leads to it */
  uint16_t mode;   /* the caller's */
};

struct tree {
  int root; /* directory open for reading; not the cursor's to close */
  int fd;   /* of the level the cursor stands in, -1: none */
  uint16_t depth;
  char path[MAX_PATH_BYTES + 1]; /* from the root */
  struct tree_level level[MAX_LEVELS];
  uint32_t dents_at;
  uint32_t dents_end;
  uint64_t dents[DENTS_BYTES / 8];
};

struct tree_entry {
  const char *name; /* valid until the next call */
  uint8_t type;     /* DT_* */
};

/* Stands at the root. 0 or a negative errno. */
int tree_begin(struct tree *tree, int root);
void tree_end(struct tree *tree);

/* 1 with the next entry of this level, 0 at its end, or a negative errno. */
int tree_next(struct tree *tree, struct tree_entry *entry);

/* Reads this level again from its beginning, or from `next`. 0 or a negative errno. */
int tree_rewind(struct tree *tree);
int tree_seek(struct tree *tree);

/* Goes down into `name`, open as `fd`, which the cursor then owns; -ENAMETOOLONG when the path or the levels
 * don't reach (the descriptor stays the caller's). */
int tree_enter(struct tree *tree, const char *name, int fd);

/* Goes up; the name of the level that was left is written to `name` (256 bytes). 0 or a negative errno, when the
 * directory is not found again where it was; the cursor then stands nowhere until tree_begin. */
int tree_leave(struct tree *tree, char *name);

/* A subdirectory for reading, no symlink; or a negative errno. With `own` it and its content may be changed
 * after: u+rwx is given to it first. */
int tree_open_child(int dir, const char *name, bool own);

#endif
