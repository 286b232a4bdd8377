/* From a workspace path to a descriptor that can't lie outside. The only door of the operations to names. */
#ifndef CLOISTER_FILE_RESOLVE_H
#define CLOISTER_FILE_RESOLVE_H

#include <stdbool.h>
#include <stddef.h>

#include "file-path.h"

struct place { /* a name in a directory that is open */
  int dir;     /* O_PATH; -1: none */
  char name[MAX_NAME_BYTES + 1];
};

void resolve_init(int workspace_fd);

/* An O_PATH descriptor of what the path names, symlinks followed, or a negative errno. */
int resolve(const char *path);

/* The directory of the last component, which need not exist; EBUSY for the workspace itself.
 * With `make_parents` the directories on the way are made. */
int resolve_place(const char *path, bool make_parents, struct place *place);
void place_close(struct place *place);

/* Below an open directory, any symlink refused: O_RDONLY of a directory, or a negative errno. */
int resolve_directory(int root, const char *path);

/* A directory for reading, from its O_PATH descriptor. */
int open_directory(int path_fd);

/* A regular file from its O_PATH descriptor, opened with `flags`: EISDIR, ENXIO for any other kind.
 * Nothing but a regular file is opened, so a FIFO's writer or a device never notices. */
int open_regular(int path_fd, int flags);

/* chmod of what an O_PATH descriptor names; 0 or a negative errno. */
int change_mode(int path_fd, unsigned mode);

#endif
