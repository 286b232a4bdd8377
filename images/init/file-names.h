/* The names of one directory, sorted by bytes in slices of bounded work, in memory that the caller lends. */
#ifndef CLOISTER_FILE_NAMES_H
#define CLOISTER_FILE_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `memory` holds the names (length byte, type byte, bytes, NUL) from its front and their offsets from its end. Once sealed,
 * two tables of offsets follow the names, and the rest is free again. */
struct names {
  uint8_t *memory;
  uint32_t size;  /* lent */
  uint32_t bytes; /* of names */
  uint32_t count;
  uint32_t *order; /* sorted when sort_step said so */
  uint32_t *spare;
  uint32_t width;  /* state of the merge sort: runs of this length are sorted */
  uint32_t low;
  uint32_t left;
  uint32_t right;
  uint32_t out;
};

void names_begin(struct names *names, uint8_t *memory, uint32_t size);
/* False: there is no room for it. `type`: the caller's. */
bool names_add(struct names *names, const char *name, size_t length, uint8_t type);
/* No more names; returns the bytes of `memory` that are used. */
uint32_t names_seal(struct names *names);
/* Moves at most `budget` names; true once all are in order. */
bool names_sort_step(struct names *names, uint32_t budget);
const char *names_at(const struct names *names, uint32_t index);
uint8_t names_type(const struct names *names, uint32_t index);

#endif
