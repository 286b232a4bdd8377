/* Bounded memory taken from the kernel page by page: untouched pages cost nothing, forks do not copy what is
 * private to PID 1. */
#ifndef CLOISTER_MEMORY_H
#define CLOISTER_MEMORY_H

#include <stddef.h>
#include <stdint.h>

uint8_t *memory_take(size_t bytes);         /* also seen by children; NULL when refused */
uint8_t *memory_take_private(size_t bytes); /* not in children at all */
void *memory_take_shared(size_t bytes);     /* children write it too */
void memory_return(uint8_t *memory, size_t bytes);
void memory_rest(uint8_t *memory, size_t bytes); /* gives the pages back, keeps the addresses */

#endif
