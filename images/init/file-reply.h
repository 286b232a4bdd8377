/* What the worker sends: one bounded buffer of frames. Knows no file. */
#ifndef CLOISTER_FILE_REPLY_H
#define CLOISTER_FILE_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

enum { STAT_BYTES = 40, MAX_END_EXTRA = 4096 };

/* Whether one frame of data and one end still fit. Nothing is handled or stepped while they don't. */
bool reply_has_room(void);
bool reply_is_pending(void);

/* Room for the payload of one FRAME_FILE_DATA_UP, MAX_DATA bytes; commit sends what was written there. */
uint8_t *reply_data(void);
void reply_data_commit(uint32_t id, size_t length);

void reply_end(uint32_t id, int error, int what, const uint8_t *extra, size_t length);
void reply_credit(uint32_t id, uint64_t offset);

/* Sends what the socket takes now: 0, or a negative errno when the other end is gone. */
int reply_flush(int socket_fd);

void put_stat(uint8_t out[STAT_BYTES], const struct stat *st);

#endif
