/* The grammar of paths and symlink targets, as text. Touches no file. */
#ifndef CLOISTER_FILE_PATH_H
#define CLOISTER_FILE_PATH_H

#include <stdbool.h>
#include <stddef.h>

enum { MAX_NAME_BYTES = 255 };

/* 0, or the negative errno of a path that protocol.h does not allow. */
int path_check(const char *path, size_t length);

/* Whether a link at `path` with this target stays inside the workspace, read as text. */
bool path_target_stays(const char *path, const char *target);

/* Whether `path` is `ancestor` or lies below it, read as text. */
bool path_is_within(const char *path, const char *ancestor);

/* Offset of the last component. */
size_t path_leaf(const char *path, size_t length);

#endif
