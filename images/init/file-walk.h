/* Path resolution by hand, one component at a time, for kernels without openat2. Knows no operation. */
#ifndef CLOISTER_FILE_WALK_H
#define CLOISTER_FILE_WALK_H

/* An O_PATH descriptor of what `path` names below `root`, symlinks followed as long as they stay below
 * it, or a negative errno as openat2(RESOLVE_BENEATH | RESOLVE_NO_XDEV) gives it. */
int walk_open(int root, const char *path);

/* The same, but a symlink anywhere is ENOTDIR or, as the last component, answered itself. */
int walk_open_plain(int root, const char *path);

#endif
