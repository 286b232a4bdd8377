/* Names that a finished file or tree takes in one step: the hidden temporary beside it, and the rename. */
#ifndef CLOISTER_FILE_TEMPORARY_H
#define CLOISTER_FILE_TEMPORARY_H

#include <stdbool.h>

enum { TEMPORARY_NAME_BYTES = 32 };

/* A fresh name `.cloister-<random>`; 0 or a negative errno. */
int temporary_name(char out[TEMPORARY_NAME_BYTES]);

/* Whether a name looks like one of these, and like one of a file that will be new under its own name: what a watch makes
 * of its rename. */
bool is_temporary(const char *name);
bool temporary_is_new(const char *name);

/* A new, empty file of mode 0600 in `dir`, open for writing, and its name; or a negative errno. */
int temporary_create(int dir, char out[TEMPORARY_NAME_BYTES], bool is_new);

/* A new, empty directory of mode 0700 in `dir`; 0 or a negative errno. */
int temporary_create_directory(int dir, char out[TEMPORARY_NAME_BYTES]);

/* rename(2), or with `exclusive` EEXIST where `to` exists; 0 or a negative errno. */
int rename_entry(int from_dir, const char *from, int to_dir, const char *to, bool exclusive);

#endif
