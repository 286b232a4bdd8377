/* Glob patterns over paths, in time linear in pattern x path. Touches no file.
 * `*` and `?` stop at a slash, `**` as a whole component goes through any number of directories, `[a-z]`, `[!a]` and a
 * backslash as in gitignore(5). */
#ifndef CLOISTER_FILE_GLOB_H
#define CLOISTER_FILE_GLOB_H

#include <stddef.h>

enum { MAX_GLOB_BYTES = 1023 };
enum { GLOB_MATCH = 1, GLOB_ALIVE = 2 }; /* it matches; with more text it could */

/* Bits of GLOB_*. A pattern that is too long matches nothing. */
unsigned glob_match(const char *pattern, size_t pattern_bytes, const char *text, size_t bytes);

#endif
