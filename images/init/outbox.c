/* Owns the send buffer of the control connection. */
#include "outbox.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "frame.h"
#include "memory.h"

enum {
  REPLY_BYTES = 128,         /* no reply without data is larger */
  BULK_BYTES = 256 * 1024,   /* what data frames may fill */
  RESERVE_BYTES = 32 * 1024, /* for replies, and STATUS of MAX_EXECS */
  OUTBOX_BYTES = BULK_BYTES + RESERVE_BYTES
};

static uint8_t *buffer;
static size_t head, tail;
static bool refused; /* somebody asked in vain since the last flush that emptied it */

bool outbox_open(void) { return (buffer = memory_take_private(OUTBOX_BYTES)) != NULL; }

void outbox_reset(void) {
  head = tail = 0;
  /* It held the nonce in HELLO. */
  memory_rest(buffer, OUTBOX_BYTES);
}

bool outbox_empty(void) { return head == tail; }

static bool takes(size_t body, size_t limit) {
  bool fits = tail - head + HEADER_BYTES + body <= limit;
  if (!fits) refused = true;
  return fits;
}

bool outbox_takes_bulk(size_t body) { return takes(body, BULK_BYTES); }

bool outbox_takes_reply(void) { return takes(REPLY_BYTES, OUTBOX_BYTES); }

bool outbox_was_short(void) {
  bool was_short = refused && outbox_empty();
  if (was_short) refused = false;
  return was_short;
}

uint8_t *outbox_put(uint8_t type, uint8_t flags, uint32_t id, size_t body) {
  if (OUTBOX_BYTES - tail < HEADER_BYTES + body) {
    memmove(buffer, buffer + head, tail - head);
    tail -= head;
    head = 0;
  }
  if (OUTBOX_BYTES - tail < HEADER_BYTES + body) __builtin_trap();
  uint8_t *at = buffer + tail;
  put_header(at, type, flags, id, (uint32_t)body);
  tail += HEADER_BYTES + body;
  return at + HEADER_BYTES;
}

void outbox_put_u32(uint8_t type, uint8_t flags, uint32_t id, uint32_t value) {
  put_u32(outbox_put(type, flags, id, 4), value);
}

void outbox_put_u64(uint8_t type, uint8_t flags, uint32_t id, uint64_t value) {
  put_u64(outbox_put(type, flags, id, 8), value);
}

bool outbox_flush(int fd) {
  while (head < tail) {
    ssize_t sent = send(fd, buffer + head, tail - head, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
      if (errno == EINTR) continue;
      return errno == EAGAIN || errno == EWOULDBLOCK;
    }
    head += (size_t)sent;
  }
  head = tail = 0;
  return true;
}
