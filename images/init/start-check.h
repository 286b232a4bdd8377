/* Whether the body of a START is what it says: its counts, its strings, nothing beyond them. */
#ifndef CLOISTER_START_CHECK_H
#define CLOISTER_START_CHECK_H

#include <stdbool.h>
#include <stdint.h>

bool start_is_sound(const uint8_t *body, uint32_t bytes);

#endif
