/* An append in place: its file, and how it is taken back. Knows no frame. */
#ifndef CLOISTER_FILE_APPEND_H
#define CLOISTER_FILE_APPEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct file_job;
struct write_state;

enum { APPEND_LEFT_BYTES = 16 };

/* Opens the file, or makes it: 0 or a negative errno. `at`: the size that it must have, or NULL. */
int append_open(struct file_job *job, bool is_exclusive, const uint64_t *at);

/* Takes back what was appended, unless it is to be kept, once. Fills `left` where bytes stay all the same: u64 how many,
 * u64 the size of the file. Returns how much it filled. Does nothing to a write that is no append, or has ended. */
size_t append_undo(struct write_state *state, uint8_t left[APPEND_LEFT_BYTES]);

#endif
