/* Frames on their way to the daemon. Bounded: bulk data leaves a reserve, so that the reply to a frame that was read
 * always fits; nothing is read while the reserve is short. */
#ifndef CLOISTER_OUTBOX_H
#define CLOISTER_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool outbox_open(void);
void outbox_reset(void); /* the connection is gone, and what was queued for it */
bool outbox_empty(void);
bool outbox_takes_bulk(size_t body);  /* a data frame of this many bytes */
bool outbox_takes_reply(void);        /* any frame without data */
/* True once after it ran empty, if somebody was told no before: then they are to be asked again at once. */
bool outbox_was_short(void);
/* Appends a frame and returns where its body goes. Only after one of the two questions above said yes. */
uint8_t *outbox_put(uint8_t type, uint8_t flags, uint32_t id, size_t body);
void outbox_put_u32(uint8_t type, uint8_t flags, uint32_t id, uint32_t value);
void outbox_put_u64(uint8_t type, uint8_t flags, uint32_t id, uint64_t value);
bool outbox_flush(int fd); /* false: the connection is broken */

#endif
