/* The bytes of one file into another, the cheapest way that the file system has. Knows no names. */
#ifndef CLOISTER_FILE_MOVE_BYTES_H
#define CLOISTER_FILE_MOVE_BYTES_H

#include <stdint.h>

/* One bounded portion of at most `left` bytes from `from` to `to`, both read and written from where they stand.
 * `method` is 0 at first and then this function's own. Returns the bytes still to copy or a negative errno; a
 * source that has become shorter ends the copy. */
int64_t move_bytes(int from, int to, uint64_t left, uint32_t *method);

#endif
